// Runs both, checks what each shows, and prints what was counted: compare.mjs TOOLS IPVM SCRATCH
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { oauth } from './oauth.mjs'
import { ucan } from './ucan.mjs'

const [tools, ipvm, scratch] = process.argv.slice(2)
const photo = name => fileURLToPath(new URL(`../gallery/photos/${name}`, import.meta.url))
const photos = { 'lake.jpg': photo('001-lake.jpg'), 'city.jpg': photo('006-city.jpg') }
const lake = await readFile(photos['lake.jpg'])

const a = await oauth(tools, photos)
const b = await ucan(ipvm, scratch, photos)

/** How many of these requests, by whom and to whom. */
const count = (requests, from, to) => requests.filter(one => (!from || one.from === from) && (!to || one.to === to)).length

console.log('every request of the first reading with OAuth:')
for (const { from, to, method, path } of a.first) {
  // The identifiers in the paths are different each time.
  console.log(`  ${from} -> ${to}: ${method} ${path.replace(/[A-Za-z0-9_-]{16,}/, '…')}`)
}
console.log('and with UCAN:')
for (const { from, file, to } of b.firstFiles) console.log(`  ${from} hands ${to} the file ${file}`)
for (const { from, to, method, path } of b.first) console.log(`  ${from} -> ${to}: ${method} ${path}`)
console.log()

const authority = requests => count(requests, null, 'authority')
const rows = [
  ['the first photo: HTTP requests', a.first.length, b.first.length],
  ['… to the authority', authority(a.first), authority(b.first)],
  ['… … by Alice\'s browser', count(a.first, 'browser', 'authority'), count(b.first, 'browser', 'authority')],
  ['… to the print shop', count(a.first, null, 'print-shop'), count(b.first, null, 'print-shop')],
  ['… to the photo server', count(a.first, null, 'photo-server'), count(b.first, null, 'photo-server')],
  ['… pages that Alice fills in', a.forms, 0],
  ['… files that Alice hands over', 0, b.firstFiles.length],
  ['each photo after that: HTTP requests', a.again.requests.length, b.again.requests.length],
  ['… to the authority', authority(a.again.requests), authority(b.again.requests)],
  ['passing it on to a lab: files + requests', 'not offered', `${b.passed.files.length} + ${b.passed.requests.length}`],
  ['taking it back: files + requests', `0 + ${a.revoking.length}`, `${b.revokingFiles.length} + 0`],
  ['a photo after that: HTTP status', a.revoked.status, b.revoked.status],
  ['… by the lab', 'not offered', b.passedRevoked.status],
  ['another photo of Alice', a.other.status, `not signed (${b.other.status})`],
  ['the same request again', a.again.status, b.replay.status],
  ['an altered token, or request', a.altered.status, b.altered.status],
  ['a photo while the authority is down', a.down.status, 'there is none']
]
console.log('| | OAuth 2.0 | UCAN |\n|---|--:|--:|')
for (const row of rows) console.log(`| ${row.join(' | ')} |`)
console.log()

// Both do the job: the photo arrived whole, and not after it was taken back.
assert.deepEqual(a.printed, lake, 'OAuth: another photo was printed')
assert.deepEqual(b.printed, lake, 'UCAN: another photo was printed')
assert.deepEqual([a.again.status, b.again.status], [200, 200])
assert.deepEqual(b.passed.bytes, lake, 'UCAN: the lab got another photo')
assert.equal(a.revoked.status, 401)
for (const refused of [b.revoked, b.passedRevoked]) {
  assert.equal(refused.status, 403)
  assert.match(refused.why, /^Revoked/)
}
// What the table says.
assert.equal(b.first.length, 1, 'UCAN: reading a photo is one request')
assert.equal(b.firstFiles.length, 1)
assert.ok(count(a.first, null, 'authority') >= 5, 'OAuth: the authority was hardly asked')
assert.equal(count(a.again.requests, 'photo-server', 'authority'), 1, 'OAuth: the photo server asks about each token')
assert.equal(a.forms, 2, 'OAuth: a login and a consent')
assert.equal(a.down.status, 503)
assert.equal(a.other.status, 200, 'OAuth: the scope is for all photos')
assert.equal(b.other.status, 'exit code 3', 'UCAN: a request for another photo is not signed')
assert.match(b.other.why, /policy/)
assert.equal(b.replay.status, 409)
assert.equal(a.altered.status, 401)
assert.equal(b.altered.status, 403)
assert.equal(b.own.status, 403)
assert.equal(b.own.why, 'a right to something else')
