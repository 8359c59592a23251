// What Helia is made of, on files: TOOLS make FOLDER | cids FOLDER NAME… | read CAR PATH | write PATH CAR VERSION.
import { createCipheriv } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [tools, verb, ...args] = process.argv.slice(2)
const require = createRequire(path.join(tools, 'index.js'))
// These packages have entry points for `import` only.
const load = name => {
  const folder = path.join(tools, 'node_modules', ...name.split('/').slice(0, name.startsWith('@') ? 2 : 1))
  const { exports } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json')))
  const rest = name.split('/').slice(name.startsWith('@') ? 2 : 1).join('/')
  const entry = exports[rest ? `./${rest}` : '.']
  return import(pathToFileURL(path.join(folder, entry.import ?? entry)))
}

const MIB = 1 << 20
const SIZES = {
  0: 0, 1: 1, '1MiB-1': MIB - 1, '1MiB': MIB, '1MiB+1': MIB + 1, '10MiB': 10 * MIB, '1GiB': 1024 * MIB
}
const MANY = 10_000

// Bytes without a pattern, the same in every run.
function * bytes (size) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16))
  const zeros = Buffer.alloc(MIB)
  for (let left = size; left > 0; left -= MIB) yield cipher.update(left < MIB ? zeros.subarray(0, left) : zeros)
}

function make (folder) {
  const write = (name, content) => {
    const file = path.join(folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    const out = fs.openSync(file, 'w')
    for (const piece of content) fs.writeSync(out, piece)
    fs.closeSync(out)
  }
  for (const [name, size] of Object.entries(SIZES)) write(name, bytes(size))
  fs.mkdirSync(path.join(folder, 'empty'))
  for (let i = 0; i < MANY; i++) write(`many/file-${i}`, [`content ${i}`])
  const names = ['a b', 'ä', 'a\u0308', '日本語/𝄞', 'Z', 'z', '-', '~', 'quote\'"\\', 'new\nline', '...', '.hidden/x', 'x'.repeat(255)]
  for (const name of names) write(`odd/${name}`, [name])
  write('odd/deep/er/big', bytes(3 * MIB + 1))
  fs.mkdirSync(path.join(folder, 'odd/nothing/in here'), { recursive: true })
  fs.symlinkSync('../Z', path.join(folder, 'odd/deep/link'))
}

// Everything in a folder, as the importer wants it.
function * candidates (folder, inside) {
  const entries = fs.readdirSync(folder, { withFileTypes: true })
  if (entries.length === 0) yield { path: inside }
  for (const entry of entries) {
    const file = path.join(folder, entry.name)
    const name = `${inside}/${entry.name}`
    if (entry.isDirectory()) yield * candidates(file, name)
    else if (entry.isSymbolicLink()) yield { path: name, link: fs.readlinkSync(file) }
    else yield { path: name, content: fs.createReadStream(file, { highWaterMark: MIB }) }
  }
}

async function add (file, blockstore) {
  const { importer } = await load('ipfs-unixfs-importer')
  const folder = fs.statSync(file).isDirectory()
  const source = folder ? candidates(file, 'root') : [{ content: fs.createReadStream(file, { highWaterMark: MIB }) }]
  let last
  for await (const entry of importer(source, blockstore, { profile: 'unixfs-v1-2025' })) last = entry
  return last.cid
}

async function cids (folder, ...names) {
  const { BlackHoleBlockstore } = await load('blockstore-core/black-hole')
  for (const name of names) {
    console.log(`${name} ${await add(path.join(folder, name), new BlackHoleBlockstore())}`)
  }
}

async function read (car, target) {
  const { CarReader } = await load('@ipld/car')
  const { MemoryBlockstore } = await load('blockstore-core')
  const { exporter } = await load('ipfs-unixfs-exporter')
  const reader = await CarReader.fromBytes(fs.readFileSync(car))
  const blockstore = new MemoryBlockstore()
  for await (const { cid, bytes } of reader.blocks()) await blockstore.put(cid, bytes)
  const [root] = await reader.getRoots()
  const write = async (entry, to) => {
    if (entry.type === 'directory') {
      fs.mkdirSync(to)
      for await (const below of entry.entries()) {
        await write(await exporter(below.cid, blockstore), path.join(to, below.name))
      }
    } else if (entry.unixfs?.type === 'symlink') {
      fs.symlinkSync(Buffer.from(entry.unixfs.data).toString(), to)
    } else {
      const out = fs.openSync(to, 'w')
      for await (const piece of entry.content()) fs.writeSync(out, piece)
      fs.closeSync(out)
    }
  }
  await write(await exporter(root, blockstore), target)
}

// Version 2 is the 1 with a header in front, and here with an index that is none: nobody may read it as blocks.
async function write (file, car, version) {
  const { CarWriter } = await load('@ipld/car')
  const { MemoryBlockstore } = await load('blockstore-core')
  // The blockstore forgets of which codec a block is.
  const blocks = []
  class Recorder extends MemoryBlockstore {
    put (cid, bytes, options) {
      blocks.push({ cid, bytes })
      return super.put(cid, bytes, options)
    }
  }
  const root = await add(file, new Recorder())
  const { writer, out } = CarWriter.create([root])
  const pieces = (async () => {
    const all = []
    for await (const piece of out) all.push(piece)
    return Buffer.concat(all)
  })()
  for (const block of blocks) await writer.put(block)
  await writer.close()
  let whole = await pieces
  if (version === '2') {
    const header = Buffer.alloc(40)
    header.writeBigUInt64LE(51n, 16)
    header.writeBigUInt64LE(BigInt(whole.length), 24)
    whole = Buffer.concat([Buffer.from('0aa16776657273696f6e02', 'hex'), header, whole, Buffer.from('no index')])
  }
  fs.writeFileSync(car, whole)
}

await { make, cids, read, write }[verb](...args)
