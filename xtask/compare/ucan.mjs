// UCAN invocations verified by others, in the same minutes as ours: see docs/performance.md.
//
//   node xtask/compare/ucan.mjs [target/release/xtask]
//
// Takes the packages from $IPVM_COMPARE, else installs them (fixed versions) to a cache folder. What is measured is the same
// for all: from the bytes of an invocation and its proofs to the verdict, Ed25519, nothing remembered, one thread. Ours is row 9
// of `xtask bench`. ucanto is of UCAN 0.9 (proofs inside CAR files), so its tokens differ; the work is of the same kind.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const PACKAGES = [
  'iso-ucan@0.5.0', 'iso-signatures@0.5.1', 'iso-did@2.1.1',
  '@ucanto/core@10.4.6', '@ucanto/validator@10.0.1', '@ucanto/principal@9.0.3', '@ucanto/interface@11.0.1'
]
const PROOFS = [0, 1, 3, 10]
const ROUNDS = 300
const WARM_UP = 50
const CHAINS = 16 // measured in turn, each with keys of its own
const xtask = process.argv[2] ?? 'target/release/xtask'

const cache = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache')
const tools = process.env.IPVM_COMPARE ?? path.join(cache, 'ipvm-ci', 'compare-ucan-1')
if (!fs.existsSync(tools)) {
  fs.rmSync(`${tools}.part`, { recursive: true, force: true })
  fs.mkdirSync(`${tools}.part`, { recursive: true })
  execFileSync('npm', ['install', '--prefix', `${tools}.part`, '--silent', '--no-audit', '--no-fund', '--no-save', ...PACKAGES])
  fs.renameSync(`${tools}.part`, tools)
}
const load = name => import(pathToFileURL(path.join(tools, 'node_modules', name)))
const seed = (chain, i) => {
  const bytes = new Uint8Array(32)
  bytes.set([chain, i, 1])
  return bytes
}
const END = 4_000_000_000 // in the future of whoever runs this, in seconds since the epoch

// Each gives tokens in bytes by chain and number of proofs, and how to verify them: it throws what is refused.
async function isoUcan () {
  const { Delegation } = await load('iso-ucan/src/delegation.js')
  const { Invocation } = await load('iso-ucan/src/invocation.js')
  const { EdDSASigner } = await load('iso-signatures/src/signers/eddsa.js')
  const { Resolver } = await load('iso-signatures/src/verifiers/resolver.js')
  const { verifier } = await load('iso-signatures/src/verifiers/eddsa.js')
  const verifierResolver = new Resolver(verifier)
  return {
    async make (chain, depth) {
      const keys = await Promise.all([...Array(depth + 1).keys()].map(i => EdDSASigner.generate(seed(chain, i))))
      const prf = []
      for (let i = 0; i < depth; i++) {
        const pol = [['like', '.uri', 'https://example.com/*']]
        prf.push(await Delegation.create({ iss: keys[i], aud: keys[i + 1].did, sub: keys[0].did, cmd: '/crud', pol, exp: END }))
      }
      const args = { uri: 'https://example.com/photos/1' }
      const ask = { iss: keys[depth], sub: keys[0].did, cmd: '/crud/read', args, prf, exp: END, verifierResolver }
      return { invocation: (await Invocation.create(ask)).bytes, proofs: prf.map(proof => proof.bytes) }
    },
    async verify ({ invocation, proofs }) {
      // `fromString` reads without checking; `Invocation.from` verifies each proof, once.
      const read = await Promise.all(proofs.map(proof => Delegation.fromString(Buffer.from(proof).toString('base64'))))
      const resolveProof = async cid => read.find(proof => proof.cid.equals(cid))
      await Invocation.from({ bytes: invocation, verifierResolver, resolveProof })
    }
  }
}

async function ucanto () {
  const core = await load('@ucanto/core/src/lib.js')
  const { capability, access, Schema, ok, fail } = await load('@ucanto/validator/src/lib.js')
  const { ed25519, Verifier } = await load('@ucanto/principal/src/lib.js')
  const read = capability({
    can: 'crud/read',
    with: Schema.did(),
    nb: Schema.struct({ uri: Schema.string() }),
    derives: (claim, proof) => claim.with === proof.with && (!proof.nb.uri || claim.nb.uri === proof.nb.uri) ? ok({}) : fail('other')
  })
  return {
    async make (chain, depth) {
      const keys = await Promise.all([...Array(depth + 1).keys()].map(i => ed25519.derive(seed(chain, i))))
      const right = { can: 'crud/read', with: keys[0].did() }
      let proofs = []
      for (let i = 0; i < depth; i++) {
        const link = { issuer: keys[i], audience: keys[i + 1], capabilities: [right], proofs, expiration: END }
        proofs = [await core.delegate(link)]
      }
      const ask = { issuer: keys[depth], audience: keys[0], proofs, expiration: END }
      const capabilities = [{ ...right, nb: { uri: 'https://example.com/photos/1' } }]
      const invocation = await core.delegate({ ...ask, capabilities })
      const { ok: car } = await invocation.archive()
      return { car, authority: keys[0].verifier }
    },
    async verify ({ car, authority }) {
      const { ok: invocation, error } = await core.Delegation.extract(car)
      if (error) throw error
      const options = { capability: read, authority, principal: Verifier, validateAuthorization: () => ({ ok: {} }) }
      const result = await access(invocation, options)
      if (result.error) throw result.error
    }
  }
}

const median = all => all.sort((a, b) => a - b)[all.length >> 1]

// Microseconds, the median of rounds.
async function measure ({ make, verify }, depth) {
  const chains = await Promise.all([...Array(CHAINS).keys()].map(chain => make(chain, depth)))
  const took = []
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const began = process.hrtime.bigint()
    await verify(chains[round % CHAINS])
    if (round >= WARM_UP) took.push(Number(process.hrtime.bigint() - began) / 1000)
  }
  return median(took)
}

// Microseconds for each number of proofs, with nothing remembered; where the floor did not hold still there is none.
function ours () {
  execFileSync(xtask, ['bench', '--only', '9'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const { rows } = JSON.parse(fs.readFileSync(path.join(path.dirname(xtask), '..', 'bench.json')))
  return PROOFS.map(depth => rows.find(row => row.name === `9 ucan, ${depth} proofs, cold`)?.ours?.p50_us)
}

const show = figure => figure === undefined ? 'not steady' : `${figure.toFixed(0)} µs`
const print = (name, figures) => console.log(`| ${name} | ${figures.join(' | ')} |`)

const began = os.loadavg()[0]
const us = ours()
print('to verify an invocation with', PROOFS.map(depth => `${depth} proofs`))
print('---', PROOFS.map(() => '---:'))
print('ipvm-ucan, cold', us.map(show))
for (const [name, library] of [['iso-ucan 0.5.0', await isoUcan()], ['ucanto 10 (UCAN 0.9)', await ucanto()]]) {
  const figures = []
  for (const depth of PROOFS) figures.push(await measure(library, depth))
  print(name, figures.map((figure, i) => `${show(figure)}${us[i] ? ` (${(figure / us[i]).toFixed(1)} ×)` : ''}`))
}
console.log(`\nmedians; node ${process.version}; load ${began.toFixed(1)} before, ${os.loadavg()[0].toFixed(1)} after, on ${os.cpus().length} cores`)
