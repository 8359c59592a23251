// The functions of wit/world.wit. A 64-bit integer is a BigInt, an option is a value or undefined, and the error of a
// result is thrown.

export const functions = {
  greet(name) {
    return `Hello, ${name}!`;
  },

  summarise(text) {
    const words = text.split(/\s+/).filter((word) => word !== '');
    if (words.length === 0) throw 'there is no word in this text';
    let longest = '';
    for (const word of words) {
      if ([...word].length > [...longest].length) longest = word;
    }
    const lines = text.replace(/\n$/, '').split('\n').length;
    return { lines, words: words.length, longest };
  },

  mask(data, key) {
    return data.map((byte) => byte ^ key);
  },
};
