// random.mjs: random valid values of any type: their bytes, and their canon form by the rules of the
// form alone, so that the decoder is judged by something that never saw its code.
const u8a = (...parts) => Uint8Array.from(parts.flatMap((p) => [...p]))

export class Random {
  constructor (seed) { this.state = seed >>> 0 }
  next () { // xorshift
    let x = this.state || 0x9e3779b9
    x ^= x << 13; x >>>= 0; x ^= x >>> 17; x ^= x << 5; x >>>= 0
    this.state = x
    return x
  }
  below (n) { return this.next() % n }
  bytes (n) { return Uint8Array.from({ length: n }, () => this.below(256)) }
}

const little = (value, size) => {
  const out = new Uint8Array(size)
  let v = BigInt.asUintN(size * 8, value)
  for (let i = 0; i < size; i++) { out[i] = Number(v & 255n); v >>= 8n }
  return out
}

export const compact = (value) => {
  const v = BigInt(value)
  if (v < 64n) return little(v << 2n, 1)
  if (v < 1n << 14n) return little(v << 2n | 1n, 2)
  if (v < 1n << 30n) return little(v << 2n | 2n, 4)
  let size = 4
  while (v >> BigInt(size * 8)) size++
  return u8a([(size - 4) << 2 | 3], little(v, size))
}

const hex = (bytes) => '0x' + Buffer.from(bytes).toString('hex')

export class Generator {
  // types: [{ path: [string], params: [number|null], def }], def as polkadot-js toJSON() gives it
  constructor (types, seed) {
    this.types = types
    this.random = new Random(seed)
    this.costs()
  }

  kind (id) { const def = this.types[id].def; const k = Object.keys(def)[0]; return [k, def[k]] }

  children (id) {
    const [k, d] = this.kind(id)
    if (k === 'composite') return [d.fields.map((f) => f.type)]
    if (k === 'tuple') return [d]
    if (k === 'variant') return d.variants.map((v) => v.fields.map((f) => f.type))
    if (k === 'array') return [d.len ? [d.type] : []]
    return [[]] // a sequence may be empty
  }

  // The nesting that the smallest value of each type has; Infinity: there is no value.
  costs () {
    this.cost = this.types.map(() => Infinity)
    const cheapest = (alternatives) => Math.min(...alternatives.map((a) => 1 + Math.max(0, ...a.map((t) => this.cost[t]))), Infinity)
    for (let changed = true; changed;) {
      changed = false
      this.types.forEach((t, id) => {
        if (!t) return
        const c = cheapest(this.children(id))
        if (c < this.cost[id]) { this.cost[id] = c; changed = true }
      })
    }
  }

  possible (id) { return this.cost[id] < Infinity }

  integer (bits, signed) {
    const r = this.random
    const size = [0, 1, 6, 8, 14, 16, 30, 32, 52, 53, 54, 64, 127, 128, 256][r.below(15)]
    let v = 0n
    for (const b of r.bytes(32)) v = v << 8n | BigInt(b)
    v = BigInt.asUintN(Math.min(size, bits), v)
    if (r.below(8) === 0) v = (1n << BigInt(bits)) - 1n
    return signed ? BigInt.asIntN(bits, r.below(2) ? v : -v) : v
  }

  primitive (name) {
    if (name === 'Bool') { const b = this.random.below(2); return [[b], b === 1] }
    if (name === 'Char') { const c = 97 + this.random.below(26); return [little(BigInt(c), 4), String.fromCodePoint(c)] }
    if (name === 'Str') {
      const s = ['', 'a', 'plan "b"\\', 'żółć', 'x'.repeat(70)][this.random.below(5)]
      const b = Buffer.from(s, 'utf8')
      return [u8a(compact(b.length), b), s]
    }
    const bits = Number(name.slice(1))
    const v = this.integer(bits, name[0] === 'I')
    return [little(v, bits / 8), v.toString()]
  }

  compactType (id) {
    const [k, d] = this.kind(id)
    if (k === 'primitive') return Number(d.slice(1))
    if (k === 'composite' && d.fields.length === 1) return this.compactType(d.fields[0].type)
    return 0
  }

  fields (fields, depth) {
    const made = fields.map((f) => this.value(f.type, depth))
    const bytes = u8a(...made.map((m) => m[0]))
    if (!fields.length) return [bytes, null]
    if (fields.every((f) => f.name !== null)) return [bytes, Object.fromEntries(fields.map((f, i) => [f.name, made[i][1]]))]
    return [bytes, made.length === 1 ? made[0][1] : made.map((m) => m[1])]
  }

  variant (id, d, depth, chosen) {
    const { path } = this.types[id]
    // polkadot-js takes short addresses at the end of the bytes for something else.
    const short = path.join('::') === 'sp_runtime::multiaddress::MultiAddress'
    const fits = d.variants.filter((v) => !short || v.fields.length !== 1 || !['Index', 'Raw'].includes(v.name)).filter((v) => v.fields.every((f) => this.possible(f.type)) &&
      !v.fields.some((f) => this.kind(f.type)[0] === 'compact' && this.compactType(this.kind(f.type)[1].type) === 0)) // polkadot-js reads a byte for Compact<()>
    const cheap = Math.min(...fits.map((v) => Math.max(0, ...v.fields.map((f) => this.cost[f.type]))))
    const choice = depth > 6 ? fits.filter((v) => Math.max(0, ...v.fields.map((f) => this.cost[f.type])) <= cheap) : fits
    const v = chosen ?? choice[this.random.below(choice.length)]
    if (path.join('::') === 'sp_runtime::generic::era::Era' && v.index > 0) return this.era(d)
    const [bytes, canon] = this.fields(v.fields, depth)
    const all = u8a([v.index], bytes)
    if (path.length === 1 && path[0] === 'Option') { // Some of null would be read back as None
      return v.name === 'None' || canon === null ? [[0], null] : [all, canon]
    }
    return [all, { [v.name]: canon }]
  }

  era (d) { // not every pair of bytes is one
    const low = 1 + this.random.below(15)
    const period = 2 << low
    const phase = this.random.below(Math.min(period, 4096))
    const code = low | phase << 4
    return [[code & 255, code >> 8 & 255], { [d.variants.find((v) => v.index === (code & 255)).name]: String(code >> 8 & 255) }]
  }

  special (id, depth) {
    const { path, params, def } = this.types[id]
    const name = path.join('::')
    if (/(democracy|conviction_voting)::vote::Vote$/.test(name)) {
      const b = this.random.below(2) << 7 | this.random.below(7)
      return [[b], String(b)]
    }
    if (name === 'pallet_identity::types::BitFlags') {
      let bits = 0n
      for (const v of this.kind(params[0])[1].variants) if (this.random.below(2)) bits |= BigInt(v.index)
      const [, inner] = this.kind(def.composite.fields[0].type)
      return [little(bits, Number(inner.slice(1)) / 8), bits.toString()]
    }
    if (/Wrapper(Keep)?Opaque$/.test(name)) {
      const [bytes, canon] = this.value(params[0], depth)
      return [u8a(compact(bytes.length), bytes), [String(bytes.length), canon]]
    }
  }

  list (type, count, depth) {
    const [k, d] = this.kind(type)
    if (k === 'primitive' && d === 'U8') { const b = this.random.bytes(count); return [b, hex(b)] }
    const made = Array.from({ length: count }, () => this.value(type, depth))
    return [u8a(...made.map((m) => m[0])), made.map((m) => m[1])]
  }

  value (id, depth = 0, chosen) {
    const special = this.special(id, depth)
    if (special) return special
    const [k, d] = this.kind(id)
    const deeper = depth + 1
    switch (k) {
      case 'primitive': return this.primitive(d)
      case 'composite': return this.fields(d.fields, deeper)
      case 'tuple': {
        const made = d.map((t) => this.value(t, deeper))
        return [u8a(...made.map((m) => m[0])), d.length ? made.map((m) => m[1]) : null]
      }
      case 'variant': return this.variant(id, d, deeper, chosen)
      case 'array': return this.list(d.type, d.len, deeper)
      case 'sequence': {
        const bytes = this.kind(d.type)[1] === 'U8'
        const most = bytes ? [0, 1, 5, 33, 70][this.random.below(5)] : depth > 4 ? 0 : this.random.below(4)
        const count = this.possible(d.type) ? most : 0
        const [b, canon] = this.list(d.type, count, deeper)
        return [u8a(compact(count), b), canon]
      }
      case 'compact': {
        const bits = this.compactType(d.type)
        if (!bits) return [[], null]
        const v = this.integer(bits, false)
        return [compact(v), v.toString()]
      }
      case 'bitSequence': {
        const bits = this.random.below(40)
        const b = this.random.bytes(Math.ceil(bits / 8))
        return [u8a(compact(bits), b), { bits, bytes: hex(b) }]
      }
      default: throw new Error('no values of ' + k)
    }
  }
}
