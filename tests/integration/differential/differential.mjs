// differential.mjs TOOL FOLDER [SEED]: the decoder beside polkadot-js, over all the real metadata that
// @polkadot/types-support in FOLDER/node_modules brings, over types made for this, and over the
// metadata files in the folder that EXTRA names. Says what it compared; exit 1 on differences.
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { constructed } from './constructed.mjs'
import { Generator } from './random.mjs'

const [tool, folder, seed = '1'] = process.argv.slice(2)
const require = createRequire(pathToFileURL(join(folder, 'package.json')))
const load = async (name) => import(pathToFileURL(require.resolve(name)))
const types = await load('@polkadot/types')
const { compactStripLength, stringCamelCase, u8aToHex } = await load('@polkadot/util')
const { TypeRegistry, Metadata, expandMetadata } = types.TypeRegistry ? types : types.default
console.warn = () => {}

const SAMPLES = 3
const totals = { blobs: 0, refused: 0, types: 0, values: 0, storage: 0, defaults: 0, keys: 0, constants: 0, events: 0, roundTrips: 0, pjsCompared: 0, pjsRefused: 0 }
const refusals = new Map()
let wrong = 0
const differ = (what, got, expected) => {
  if (wrong++ < Number(process.env.SHOW || 10)) console.error(`${what}\n  got      ${JSON.stringify(got)?.slice(0, 600)}\n  expected ${JSON.stringify(expected)?.slice(0, 600)}`)
}

const hex = (bytes) => '0x' + Buffer.from(bytes).toString('hex')
// One command a line in, one JSON a line out.
const batch = (file, form, lines) => {
  const run = spawnSync(tool, ['batch', '--metadata', file, '--form', form], { input: lines.join('\n') + '\n', maxBuffer: 1 << 30 })
  const out = run.stdout.toString().trimEnd().split('\n').map((l) => JSON.parse(l))
  if (run.status !== 0 || out.length !== lines.length) throw new Error(`${file}: ${out.length} answers to ${lines.length} commands: ${run.stderr}`)
  return out
}
// Compares a list of { line, expected, what } at once.
const ask = (file, form, jobs) => jobs.length && batch(file, form, jobs.map((j) => j.line)).forEach((got, i) => {
  if (!isDeepStrictEqual(got, jobs[i].expected)) differ(`${jobs[i].what}: ${jobs[i].line.slice(0, 200)}`, got, jobs[i].expected)
})
const noSpaces = (v) => JSON.stringify(v).replace(/ /g, '\\u0020')

function oldVersion (name, file, version) {
  const run = spawnSync(tool, ['list', '--metadata', file])
  if (run.status !== 1 || !run.stderr.toString().includes(`version ${version}`)) differ(`${name} is refused`, run.stderr.toString(), `version ${version}`)
  totals.refused++
}

function modern (name, file, text) {
  const registry = new TypeRegistry()
  const metadata = new Metadata(registry, '0x' + text.slice(text.indexOf('6d657461'))) // without the wrapping of the runtime call
  registry.setMetadata(metadata)
  const latest = metadata.asLatest
  const list = []
  for (const { id, type } of latest.lookup.types) {
    list[id.toNumber()] = { path: type.path.map(String), params: type.params.map((p) => p.type.isSome ? p.type.unwrap().toNumber() : null), def: type.def.toJSON() }
  }
  const generator = new Generator(list, Number(seed) + totals.blobs)
  const canon = []
  const pjs = []
  const encode = []

  // A value both ways. polkadot-js must read it to the end, else it is no judge of it.
  const compare = (what, command, id, bytes, expected) => {
    const line = `decode ${command} ${hex(bytes)}`
    canon.push({ what: `${name} ${what}`, line, expected: JSON.parse(JSON.stringify(expected)) })
    encode.push({ what: `${name} ${what}`, line: `encode --type ${id} ${noSpaces(expected)}`, expected: hex(bytes) })
    totals.values++
    let theirs
    try {
      const made = registry.createTypeUnsafe(registry.createLookupType(id), [bytes])
      if (made.encodedLength !== bytes.length && made.toU8a().length !== bytes.length) throw new Error('another length')
      theirs = made.toJSON()
    } catch (error) {
      totals.pjsRefused++
      const why = `${what}: ${error.message.replace(/.*:: ?/, '').slice(0, 60)}`
      refusals.set(why, (refusals.get(why) || 0) + 1)
      return
    }
    totals.pjsCompared++
    pjs.push({ what: `${name} ${what}`, line, expected: JSON.parse(JSON.stringify(theirs)) })
  }

  list.forEach((type, id) => {
    if (!type || !generator.possible(id)) return
    totals.types++
    for (let i = 0; i < SAMPLES; i++) {
      const [bytes, expected] = generator.value(id)
      if (bytes.length < 20000) compare(`type ${id} ${type.path.join('::')}`, `--type ${id}`, id, Uint8Array.from(bytes), expected)
    }
  })

  const decorated = expandMetadata(registry, metadata)
  const keys = []
  for (const pallet of latest.pallets) {
    const section = pallet.name.toString()
    for (const item of pallet.storage.isSome ? pallet.storage.unwrap().items : []) {
      const method = item.name.toString()
      const id = (item.type.isPlain ? item.type.asPlain : item.type.asMap.value).toNumber()
      totals.storage++
      for (let i = 0; i < SAMPLES && generator.possible(id); i++) {
        const [bytes, expected] = generator.value(id)
        compare(`${section}.${method}`, `--storage ${section}.${method}`, id, Uint8Array.from(bytes), expected)
      }
      fallback(section, method, item, id)
      keys.push(...key(section, method, item))
    }
    for (const constant of pallet.constants) {
      const theirs = registry.createTypeUnsafe(registry.createLookupType(constant.type), [constant.value.toU8a(true)]).toJSON()
      pjs.push({ what: `${name} constant`, line: `decode --constant ${section}.${constant.name}`, expected: JSON.parse(JSON.stringify(theirs)) })
      totals.constants++
    }
  }

  // What is read where nothing is stored.
  function fallback (section, method, item, id) {
    const none = item.modifier.isOptional
    const theirs = none ? null : registry.createTypeUnsafe(registry.createLookupType(id), [item.fallback.toU8a(true)]).toJSON()
    pjs.push({ what: `${name} default`, line: `decode --storage ${section}.${method}`, expected: JSON.parse(JSON.stringify(theirs)) })
    totals.defaults++
  }

  function key (section, method, item) {
    const entry = decorated.query[stringCamelCase(section)]?.[stringCamelCase(method)]
    if (!entry) return []
    const wanted = []
    let ids = []
    if (item.type.isMap) {
      const one = item.type.asMap.hashers.length === 1
      ids = one ? [item.type.asMap.key.toNumber()] : list[item.type.asMap.key.toNumber()].def.tuple
    }
    const args = ids.map((t) => generator.value(t))
    const codecs = ids.map((t, i) => registry.createTypeUnsafe(registry.createLookupType(t), [Uint8Array.from(args[i][0])]))
    if (codecs.some((c, i) => hex(c.toU8a()) !== hex(args[i][0]))) return [] // no judge of it
    const theirs = ids.length === 0 ? entry() : entry(...codecs)
    const words = args.map(([, v]) => typeof v === 'string' ? v : noSpaces(v))
    if (words.some((w) => w === '' || /\s/.test(w))) return []
    wanted.push({ what: `${name} key`, line: `key ${section}.${method} ${words.join(' ')}`, expected: u8aToHex(compactStripLength(theirs)[1]) })
    totals.keys++
    return wanted
  }

  // Every variant of every pallet's events, inside of a record.
  const system = latest.pallets.find((p) => p.name.toString() === 'System')
  if (system) everyEvent(system.storage.unwrap().items.find((i) => i.name.toString() === 'Events').type.asPlain.toNumber())

  ask(file, 'canon', canon)
  ask(file, 'polkadot-js', pjs)
  ask(file, 'canon', encode)
  totals.roundTrips += encode.length
  ask(file, 'canon', keys)

  function everyEvent (events) {
    const record = list[events].def.sequence.type
    const [, { fields }] = generator.kind(record)
    const outer = fields.find((f) => f.name === 'event').type
    for (const pallet of generator.kind(outer)[1].variants) {
      const inner = pallet.fields[0]?.type
      if (inner === undefined || !generator.possible(inner)) continue
      for (const variant of generator.kind(inner)[1].variants) {
        if (!variant.fields.every((f) => generator.possible(f.type))) continue
        const [bytes, made] = generator.value(inner, 0, variant)
        const full = Uint8Array.from([4, 0, 1, 0, 0, 0, pallet.index, ...bytes, 0])
        compare(`event ${pallet.name}.${variant.name}`, '--storage System.Events', events, full, [{ phase: { ApplyExtrinsic: '1' }, event: { [pallet.name]: made }, topics: [] }])
        totals.events++
      }
    }
  }
}

const root = join(folder, 'node_modules/@polkadot/types-support/metadata')
for (const version of readdirSync(root).filter((d) => /^v\d+$/.test(d)).sort()) {
  for (const name of readdirSync(join(root, version)).filter((f) => f.endsWith('-hex.js'))) {
    const { default: text } = await import(pathToFileURL(join(root, version, name)))
    const file = join(folder, `${version}-${name}.hex`)
    writeFileSync(file, text)
    totals.blobs++
    const number = Number(version.slice(1))
    if (number < 14) oldVersion(name, file, number)
    else modern(`${version}/${name.replace('-hex.js', '')}`, file, text)
  }
}
{
  const file = join(folder, 'constructed.hex')
  const text = constructed()
  writeFileSync(file, text)
  modern('constructed', file, text)
}
for (const name of process.env.EXTRA ? readdirSync(process.env.EXTRA).sort() : []) {
  const file = join(process.env.EXTRA, name)
  const bytes = readFileSync(file)
  totals.blobs++
  modern(name, file, /^(0x)?[0-9a-f\s]+$/.test(bytes.subarray(0, 100).toString()) ? bytes.toString().trim() : bytes.toString('hex'))
}
console.log(JSON.stringify(totals))
for (const [why, count] of [...refusals].sort((a, b) => b[1] - a[1]).slice(0, Number(process.env.SHOW_REFUSALS || 0))) console.log(count, why)
if (totals.pjsRefused > totals.values / 50) differ('polkadot-js refuses too much', totals.pjsRefused, totals.values / 50)
console.log(`${wrong} differences`)
process.exit(wrong === 0 && totals.values > 0 ? 0 : 1)
