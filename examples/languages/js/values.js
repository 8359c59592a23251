// The interface `values` in JavaScript. 64-bit integers are BigInt, an option is a value or undefined, a nested option
// and a nested result have a tag, and the error of a whole result is thrown.

// componentize-js 0.23 takes and gives `s64` as if it were `u64` (its issue 343); these two do right either way.
const signed = (number) => BigInt.asIntN(64, number);
const asBits = (number) => number & 0xffff_ffff_ffff_ffffn;

const collect = (work) => {
  try {
    return { tag: 'ok', val: work() };
  } catch (error) {
    return { tag: 'err', val: error.message };
  }
};

const parseOne = (word) => {
  if (!/^-?[0-9]{1,18}$/.test(word)) throw new Error(`not a number: ${word}`);
  return asBits(BigInt(word));
};

export const values = {
  describe({ name, age, initial, nicknames }) {
    const parts = [`${name} (${age})`];
    if (initial !== undefined) parts.push(`initial ${initial}`);
    if (nicknames.length > 0) parts.push(`called ${nicknames.join(' and ')}`);
    return parts.join(', ');
  },

  area({ tag, val }) {
    switch (tag) {
      case 'point':
        return 0;
      case 'circle':
        return Math.PI * val * val;
      case 'rectangle':
        return val[0] * val[1];
      case 'polygon': {
        let sum = 0;
        val.forEach(([x, y], place) => {
          const [nextX, nextY] = val[(place + 1) % val.length];
          sum += x * nextY - nextX * y;
        });
        return Math.abs(sum / 2);
      }
    }
  },

  divide(dividend, divisor) {
    if (divisor === 0n) throw 'by-zero';
    const quotient = signed(dividend) / signed(divisor);
    if (quotient !== signed(quotient)) throw 'overflow';
    return asBits(quotient);
  },

  complement({ a, b, c, d, e, f, g, h }) {
    return {
      a: ~a & 0xff,
      b: ~b & 0xffff,
      c: ~c >>> 0, // as an unsigned number again
      d: asBits(~d),
      e: ~e,
      f: ~f,
      g: ~g,
      h: asBits(~h),
    };
  },

  statisticsOf(numbers) {
    if (numbers.length === 0) return undefined;
    let [smallest, largest, sum] = [numbers[0], numbers[0], 0n];
    for (const number of numbers) {
      smallest = Math.min(smallest, number);
      largest = Math.max(largest, number);
      sum += BigInt(number);
    }
    return { count: numbers.length, smallest, largest, sum: asBits(sum) };
  },

  mean(numbers) {
    if (numbers.length === 0) return undefined;
    let sum = 0;
    for (const number of numbers) sum += number;
    return sum / numbers.length;
  },

  midpoint([ax, ay], [bx, by]) {
    return [Math.fround((ax + bx) / 2), Math.fround((ay + by) / 2)];
  },

  reverse(bytes) {
    return bytes.toReversed();
  },

  parse(words) {
    return words.map((word) => collect(() => parseOne(word)));
  },

  compare(a, b) {
    // `<` would compare UTF-16 units, in which U+1F600 is before U+FFFD.
    const [left, right] = [[...a], [...b]];
    const place = left.findIndex((character, place) => character !== right[place]);
    if (place === -1) return left.length === right.length ? 'equal' : 'less';
    if (place >= right.length) return 'greater';
    return left[place].codePointAt(0) < right[place].codePointAt(0) ? 'less' : 'greater';
  },

  isPalindrome(text) {
    const characters = [...text];
    return characters.every((character, place) => character === characters.at(-1 - place));
  },

  layered(lower, upper) {
    return upper.tag === 'none' ? lower : upper;
  },

  missing(granted, wanted) {
    return {
      read: wanted.read && !granted.read,
      write: wanted.write && !granted.write,
      execute: wanted.execute && !granted.execute,
    };
  },

  countWords(text) {
    const counts = new Map();
    for (const word of text.split(' ')) {
      if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return [...counts];
  },
};
