// The JavaScript end of .ci/ucan-interop: TOOLS make FILE writes tokens by iso-ucan, right and wrong ones, each with the
// verdict that the specifications ask for; TOOLS check FILE verifies tokens of ours with iso-ucan.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [tools, verb, file] = process.argv.slice(2)
const load = name => import(pathToFileURL(path.join(tools, 'node_modules', name)))
const { Delegation } = await load('iso-ucan/src/delegation.js')
const { Invocation } = await load('iso-ucan/src/invocation.js')
const Envelope = await load('iso-ucan/src/envelope.js')
const { EdDSASigner } = await load('iso-signatures/src/signers/eddsa.js')
const { ECDSASigner } = await load('iso-signatures/src/signers/ecdsa.js')
const { ES256KSigner } = await load('iso-signatures/src/signers/es256k.js')
const { Resolver } = await load('iso-signatures/src/verifiers/resolver.js')
const ed25519 = await load('iso-signatures/src/verifiers/eddsa.js')
const ecdsa = await load('iso-signatures/src/verifiers/ecdsa.js')
const { CID } = await load('multiformats/dist/src/cid.js')

const NOW = 1_800_000_000
Date.now = () => NOW * 1000 // iso-ucan reads the clock
const verifierResolver = new Resolver({ ...ed25519.verifier, ...ecdsa.verifier })
const hex = bytes => Buffer.from(bytes).toString('hex')
const bytes = text => new Uint8Array(Buffer.from(text, 'hex'))

// What iso-ucan says of an invocation with its proofs.
async function verdict (invocation, proofs) {
  try {
    const read = await Promise.all(proofs.map(proof => Delegation.from({ bytes: proof, verifierResolver, now: 0 })))
    const resolveProof = async cid => {
      const found = read.find(proof => proof.cid.equals(cid))
      if (!found) throw new Error(`proof ${cid} is not there`)
      return found
    }
    await Invocation.from({ bytes: invocation, verifierResolver, resolveProof })
    return { valid: true }
  } catch (error) {
    return { valid: false, why: `${error.message} ${error.cause?.message ?? ''}`.trim().split('\n')[0].slice(0, 90) }
  }
}

// Where iso-ucan 0.5.0 is wrong: what it says, and why that is wrong. Whatever else it says must be as here.
const PREFIX = 'it compares commands by their letters, so /crud covers /crudx; segments count (Delegation, "Command")'
const WRONG = {
  'a command that only begins alike': [true, PREFIX],
  'a wider link': [false, 'a powerline or other link may be wider than the one before: each has to cover what is invoked'],
  '.s like "a*c" of {"s":"a\\nc"}': [false, 'its * does not match a line break; it stands for any characters'],
  '.missing? == null of {}': [false, 'its ? does not make the part before it optional (Delegation, "Selectors")'],
  '.["a b"] == 1 of {"a b":1}': [false, 'it skips parts in quotes, and so compares the args as a whole'],
  '.["a b"]? != 1 of {"a b":1}': [true, 'it skips parts in quotes, and so lets pass what the policy forbids'],
  '.b[1:] == {"/":{"bytes":"Ag"}} of {"b":{"/":{"bytes":"AQI"}}}': [false, 'it slices lists only, not bytes'],
  'any .a: any .: . == 3 of {"a":[[1],[2,3]]}': [false, 'a quantifier in another takes the whole list for its items'],
  '.n > 9007199254740992 of {"n":9007199254740993}': [false, 'it does not compare integers beyond 2^53'],
  'a float without a fraction': [false, 'it encodes a token again to verify it, and 2.0 comes out as 2: another signature'],
  '.n == 1.5 of {"n":2.0}': [false, 'right, but for the reason above'],
  'own subject with proofs': [true, 'it does not look at proofs of who invokes on its own behalf (Invocation, "Proofs")'],
  'another version of the token': [true, 'it does not look at the version in the tag'],
  'a third element in the envelope': [true, 'it ignores it: one CID for many tokens (UCAN, "Envelope": two elements)'],
  'P-256, high s': [true, 'WebCrypto makes and takes both forms of a signature; a token has one CID with the low s only'],
  'a field that is not known': [true, 'it signs and reads fields that an invocation does not have, and does not check them']
}

async function compare (cases, wanted) {
  const met = new Set()
  let bad = 0
  for (const each of cases) {
    const found = await verdict(bytes(each.invocation), each.proofs.map(bytes))
    const [expected, reason] = WRONG[each.name] ?? [wanted(each)]
    if (reason) met.add(each.name)
    if (found.valid !== expected) {
      bad++
      console.error(`iso-ucan: ${each.name}: ${JSON.stringify(found)}${reason ? `; known was: ${reason}` : ''}`)
    } else {
      const differs = expected !== wanted(each) ? ` (WRONG THERE: ${reason})` : ''
      console.log(`${each.name.padEnd(60)} ${found.valid ? 'valid' : `refused: ${found.why}`}${differs}`)
    }
  }
  if (bad > 0) throw new Error(`${bad} of ${cases.length} verdicts are not as expected`)
  console.log(`${cases.length} tokens, ${met.size} with a verdict that is known to be wrong there`)
}

async function make () {
  const seed = n => new Uint8Array(32).fill(n)
  const keys = {
    Ed25519: n => EdDSASigner.generate(seed(n)),
    'P-256': () => ECDSASigner.generate('P-256'),
    secp256k1: n => ES256KSigner.generate(seed(n))
  }
  const cases = []
  const nonce = seed(9).subarray(0, 12)

  // A chain of links, i by keys[i] for keys[i + 1], with a change before signing.
  async function chain (name, expected, { kind = 'Ed25519', depth = 2, change = () => {}, after = () => {} } = {}) {
    const all = await Promise.all([...Array(depth + 1).keys()].map(n => keys[kind](n + 1)))
    const [owner, invoker] = [all[0], all[depth]]
    const links = [...Array(depth).keys()].map(i => ({
      iss: all[i], aud: all[i + 1].did, sub: owner.did, cmd: '/crud', pol: [['like', '.uri', 'https://example.com/*']],
      nonce, nbf: NOW - 1000, exp: NOW + 1000, now: 0
    }))
    const ask = {
      iss: invoker, sub: owner.did, aud: owner.did, cmd: '/crud/read', args: { uri: 'https://example.com/a', n: [1, { a: null }] },
      nonce, exp: NOW + 500, iat: NOW, tag: undefined
    }
    change({ links, ask, all })
    const proofs = await Promise.all(links.map(link => Delegation.create(link)))
    const prf = ask.prf?.(proofs) ?? proofs
    delete ask.prf
    let signed
    if (expected === 'valid') {
      signed = await Invocation.create({ ...ask, prf, verifierResolver })
    } else {
      // What it would not make itself, as far as it checks: of its own parts.
      const { iss, tag: version, ...rest } = ask
      const payload = { ...rest, iss: iss.did, prf: prf.map(proof => proof.cid) }
      const parts = await Envelope.sign({ spec: 'inv', version, signer: iss, payload })
      signed = { bytes: Envelope.encode(parts) }
    }
    const tokens = { name, expected, invocation: hex(signed.bytes), proofs: proofs.map(proof => hex(proof.bytes)) }
    after(tokens)
    cases.push(tokens)
    return tokens
  }
  const forge = token => token.slice(0, 40) + (parseInt(token.slice(40, 42), 16) ^ 1).toString(16).padStart(2, '0') + token.slice(42)

  for (const kind of ['Ed25519', 'secp256k1']) {
    for (const depth of [0, 1, 2, 8]) {
      await chain(`${kind}, ${depth} proofs`, 'valid', { kind, depth })
      await chain(`${kind}, ${depth} proofs, the invocation forged`, 'InvalidSignature', {
        kind, depth, after: tokens => { tokens.invocation = forge(tokens.invocation) }
      })
    }
  }
  await p256(chain, cases)

  const ok = (name, change) => chain(name, 'valid', { change })
  await ok('a powerline', ({ links }) => { links[1].sub = null })
  await ok('without an end', ({ links, ask }) => { links.forEach(link => { link.exp = null }); ask.exp = null })
  await ok('an audience', ({ ask, all }) => { ask.aud = all[1].did })
  await ok('facts and a cause', ({ links, ask }) => {
    links[0].meta = { note: 'ü' }
    ask.meta = { list: [1, -2, new Uint8Array([1])] }
    ask.cause = CID.parse('bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq')
  })
  await ok('all commands', ({ links }) => { links[0].cmd = '/' })
  await ok('a policy', ({ links }) => {
    links[1].pol = [['==', '.n[1].a', null], ['any', '.n', ['==', '.', 1]], ['not', ['>', '.n[0]', 1]]]
  })

  const no = (name, kind, change, after) => chain(name, kind, { change, after })
  await no('an expired proof', 'Expired', ({ links }) => { links[0].exp = NOW - 100 })
  await no('an expired invocation', 'Expired', ({ ask }) => { ask.exp = NOW - 100 })
  await no('a proof that begins later', 'TooEarly', ({ links }) => { links[1].nbf = NOW + 100 })
  await no('a proof for somebody else', 'InvalidAudience', ({ links, all }) => { links[0].aud = all[2].did })
  await no('about another subject', 'InvalidSubject', ({ links, all }) => { links[1].sub = all[1].did })
  await no('a powerline at the root', 'InvalidClaim', ({ links }) => { links[0].sub = null })
  await no('a root by somebody else', 'InvalidClaim', ({ links, all }) => { links[0].iss = all[1] })
  await no('another command', 'InvalidClaim', ({ ask }) => { ask.cmd = '/msg/send' })
  await no('a command that only begins alike', 'InvalidClaim', ({ ask }) => { ask.cmd = '/crudx' })
  await no('args that break the policy', 'MatchError', ({ ask }) => { ask.args = { uri: 'https://example.org/' } })
  await no('no proofs', 'InvalidClaim', ({ ask }) => { ask.prf = () => [] })
  await no('proofs in another order', 'InvalidClaim', ({ ask }) => { ask.prf = proofs => [...proofs].reverse() })
  await no('a missing proof', 'UnavailableProof', () => {}, tokens => { tokens.proofs.pop() })
  await no('own subject with proofs', 'InvalidClaim', ({ ask, all }) => { ask.iss = all[0] })
  await no('a field that is not known', 'Malformed', ({ ask }) => { ask.nbf = NOW })
  await no('another version of the token', 'Unsupported', ({ ask }) => { ask.tag = '9.9.9' })
  // 0x82 is a list of two, 0x83 of three, 0xf6 null.
  await no('a third element in the envelope', 'Malformed', () => {}, tokens => {
    tokens.invocation = `83${tokens.invocation.slice(2)}f6`
  })

  await compare(cases, each => each.expected === 'valid')
  fs.writeFileSync(file, JSON.stringify(cases, null, 2))
}

// WebCrypto signs with a high s half of the time, at random: chains are made until there is one of each form.
async function p256 (chain, cases) {
  const half = BigInt('0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8')
  const high = token => BigInt('0x' + token.slice(6 + 64, 6 + 128)) > half
  const found = {}
  for (let i = 0; i < 256 && !(found.low && found.high); i++) {
    const made = await chain('P-256', 'valid', { kind: 'P-256', depth: 1 })
    cases.pop()
    if (high(made.proofs[0])) continue // one fault at a time
    if (high(made.invocation)) found.high = { ...made, name: 'P-256, high s', expected: 'InvalidSignature' }
    else found.low = { ...made, name: 'P-256, low s' }
  }
  cases.push(found.low, found.high)
}

async function check () {
  const cases = JSON.parse(fs.readFileSync(file))
  for (const each of cases) {
    if (each.name in WRONG || each.verdict !== 'valid') continue
    // The same bytes have the same name.
    const read = await Promise.all(each.proofs.map(proof => Delegation.from({ bytes: bytes(proof), verifierResolver })))
    if (read.some((proof, i) => proof.cid.toString() !== each.cids[i])) throw new Error(`${each.name}: other CIDs`)
  }
  await compare(cases, each => each.verdict === 'valid')
}

await { make, check }[verb]()
