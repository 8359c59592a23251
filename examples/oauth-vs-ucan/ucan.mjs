// The UCAN way: Alice signs what the print shop may do, the print shop signs what it asks for, and the photo server checks both
// with `ipvm ucan verify`. Nobody is registered anywhere, and there is no authority.
import { execFile } from 'node:child_process'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Wire, body, fetchAs } from './wire.mjs'

const COMMAND = '/photos/read'

export async function ucan (ipvm, scratch, photos) {
  const wire = new Wire()
  const told = { files: [] }
  const [alice, shop, lab, server] = await Promise.all(['alice', 'print-shop', 'lab', 'photo-server'].map(open))

  /** One of the four, with a home and a folder of their own. */
  async function open (name) {
    const folder = join(scratch, name)
    await mkdir(folder, { recursive: true })
    const run = (...args) => runIn(folder, ipvm, args)
    const { owner } = JSON.parse((await run('key', 'show', '--json')).stdout)
    return { name, folder, run, did: owner }
  }

  /** Hands a file over, by whatever way: mail, a QR code, a stick. */
  async function hand (from, file, to) {
    told.files.push({ from: from.name, file, to: to.name })
    await copyFile(join(from.folder, file), join(to.folder, basename(file)))
  }

  // Whoever runs these knows one another from before: by a key, which is not secret.
  await must(alice, 'name', 'add', 'print-shop', shop.did)
  for (const one of [shop, lab, server]) await must(one, 'name', 'add', 'alice', alice.did)
  for (const one of [shop, lab]) await must(one, 'name', 'add', 'photo-server', server.did)
  await must(shop, 'name', 'add', 'lab', lab.did)

  const used = new Set()
  let count = 0
  const address = await wire.serve('photo-server', async (request, response) => {
    const file = join(server.folder, `request-${count++}.ucan`)
    await writeFile(file, await body(request))
    const refuse = (status, why) => response.writeHead(status).end(why)
    const verdict = await server.run('ucan', 'verify', '--audience', server.did, '--json', file)
    if (verdict.code !== 0 && verdict.code !== 3) return refuse(400, verdict.stderr)
    const { valid, error, capability } = JSON.parse(verdict.stdout)
    if (!valid) return refuse(403, `${error.kind}: ${error.message}`)
    // The right is good. Is it a right to Alice's photos, and is it used for the first time?
    if (capability.cmd !== COMMAND || capability.sub !== alice.did) return refuse(403, 'a right to something else')
    const [{ invocation, args }] = JSON.parse((await must(server, 'ucan', 'inspect', '--json', file)).stdout).invocations
    if (used.has(invocation)) return refuse(409, 'asked before')
    used.add(invocation)
    if (!photos[args.photo]) return refuse(404, 'no such photo')
    response.end(await readFile(photos[args.photo]))
  })

  const post = async (bytes, by = shop) => {
    const response = await fetchAs(by.name)(`${address}/photos`, { method: 'POST', body: bytes })
    const answer = Buffer.from(await response.arrayBuffer())
    return { status: response.status, bytes: answer, why: response.ok ? '' : answer.toString(), requests: wire.take() }
  }

  /** Somebody asks for a photo: one request, with everything in it. */
  async function read (photo, { by = shop, subject = 'alice' } = {}) {
    const asking = await by.run('ucan', 'invoke', COMMAND, '--sub', subject, '--audience', 'photo-server', '--expires', '5m',
      '--args', JSON.stringify({ photo }), '-o', 'request.ucan')
    if (asking.code !== 0) return { status: `exit code ${asking.code}`, why: asking.stderr, requests: wire.take() }
    return post(await readFile(join(by.folder, 'request.ucan')), by)
  }

  // Alice: the print shop may read this photo, for an hour.
  await must(alice, 'ucan', 'delegate', '--to', 'print-shop', '--cmd', COMMAND, '--policy', '.photo == "lake.jpg"',
    '--expires', '1h', '-o', 'print.ucan')
  await hand(alice, 'print.ucan', shop)
  await must(shop, 'ucan', 'import', 'print.ucan')
  const first = await read('lake.jpg')
  told.printed = first.bytes
  told.first = first.requests
  told.firstFiles = told.files.splice(0)
  told.again = await read('lake.jpg')
  const request = await readFile(join(shop.folder, 'request.ucan'))
  told.replay = await post(request)
  told.other = await read('city.jpg') // its own program does not even sign that
  told.altered = await post(altered(request, 'lake.jpg', 'city.jpg'))
  told.own = await read('city.jpg', { subject: 'owner' }) // signed by itself, for itself: a right to its own photos

  // The print shop has it printed by a lab, and passes its right on for ten minutes. Nobody is asked.
  await must(shop, 'ucan', 'delegate', '--to', 'lab', '--cmd', COMMAND, '--sub', 'alice', '--policy', '.photo == "lake.jpg"',
    '--expires', '10m', '-o', 'lab.ucan')
  await hand(shop, 'lab.ucan', lab)
  await must(lab, 'ucan', 'import', 'lab.ucan')
  told.passed = { ...await read('lake.jpg', { by: lab }), files: told.files.splice(0) }

  await must(alice, 'ucan', 'revoke', 'print.ucan', '-o', 'end.ucan')
  await hand(alice, 'end.ucan', server)
  await must(server, 'ucan', 'import', 'end.ucan')
  told.revokingFiles = told.files.splice(0)
  told.revoked = await read('lake.jpg')
  told.passedRevoked = await read('lake.jpg', { by: lab })
  await wire.stopAll()
  return told
}

/** The same bytes with another word of equal length, wherever it is. */
function altered (bytes, from, to) {
  const text = bytes.toString('latin1')
  if (!text.includes(from)) throw new Error(`there is no ${from} in the request to alter`)
  return Buffer.from(text.replaceAll(from, to), 'latin1')
}

/** Runs a command in a folder, with the home that is in it. */
function runIn (folder, ipvm, args) {
  const env = { ...process.env, IPVM_HOME: join(folder, 'home') }
  return new Promise(resolve => execFile(ipvm, args, { cwd: folder, env }, (error, stdout, stderr) => {
    resolve({ code: error ? error.code : 0, stdout, stderr })
  }))
}

async function must (who, ...args) {
  const done = await who.run(...args)
  if (done.code !== 0) throw new Error(`${who.name}: ipvm ${args.join(' ')} ended with ${done.code}: ${done.stderr}`)
  return done
}
