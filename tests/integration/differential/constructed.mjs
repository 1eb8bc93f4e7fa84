// constructed.mjs: metadata (V14) of types that real chains have seldom or never, so that they are
// compared too. Only what polkadot-js can read; where it cannot, see tests/unit/scale.
import { compact } from './random.mjs'

const parts = (...all) => all.flatMap((p) => [...p])
const text = (s) => { const b = Buffer.from(s); return parts(compact(b.length), b) }
const list = (items, each) => parts(compact(items.length), ...items.map(each))
const option = (value, each) => value === null ? [0] : parts([1], each(value))
const field = ([name, type]) => parts(option(name, text), compact(type), [0], [0])
const PRIMITIVES = ['bool', 'char', 'str', 'u8', 'u16', 'u32', 'u64', 'u128', 'u256', 'i8', 'i16', 'i32', 'i64', 'i128', 'i256']

export function constructed () {
  const types = []
  const known = new Map()
  // A type: its path ("a::b"), the numbers of its parameters, and the SCALE of its definition.
  const add = (path, params, def) => {
    const segments = path ? path.split('::') : []
    const body = parts(list(segments, text), list(params, (p) => parts(text('T'), option(p, compact))), def, [0])
    const key = body.join()
    if (!known.has(key)) {
      known.set(key, types.length)
      types.push(body)
    }
    return known.get(key)
  }
  const primitive = (name) => add('', [], [5, PRIMITIVES.indexOf(name)])
  const composite = (path, fields, params = []) => add(path, params, parts([0], list(fields, field)))
  const variant = (path, variants, params = []) => add(path, params, parts([1], list(variants, ([name, index, fields]) =>
    parts(text(name), list(fields, field), [index], [0]))))
  const vec = (t) => add('', [], parts([2], compact(t)))
  const array = (t, n) => add('', [], parts([3], [n & 255, n >> 8, 0, 0], compact(t)))
  const tuple = (...ids) => add('', [], parts([4], list(ids, compact)))
  const compactOf = (t) => add('', [], parts([6], compact(t)))
  const bits = (store, order) => add('', [], parts([7], compact(store), compact(order)))
  const wrap = (path, t, params = []) => composite(path, [[null, t]], params)
  const some = (t) => variant('Option', [['None', 0, []], ['Some', 1, [[null, t]]]], [t])
  const result = (t, e) => variant('Result', [['Ok', 0, [[null, t]]], ['Err', 1, [[null, e]]]], [t, e])
  const map = (k, v) => wrap('BTreeMap', vec(tuple(k, v)), [k, v])
  const set = (t) => wrap('BTreeSet', vec(t), [t])
  const unnamed = (...ids) => ids.map((t) => [null, t])

  const made = []
  const say = (...ids) => made.push(...ids)
  const all = Object.fromEntries(PRIMITIVES.map((p) => [p, primitive(p)]))
  const { bool, char, str, u8, u16, u32, u64, u128 } = all
  const nothing = tuple()
  const unit = composite('mine::Unit', [])

  // Every primitive, in every container.
  for (const t of [...Object.values(all), nothing, unit]) {
    say(t, vec(t), array(t, 3), some(t), some(some(t)), tuple(t), tuple(t, t), tuple(tuple(t)), vec(tuple(t)), wrap('mine::One', t), composite('mine::Named', [['it', t]]), result(t, nothing), result(nothing, t))
  }
  for (const t of [u8, u16, u32, u64, u128]) {
    say(compactOf(t), compactOf(wrap('mine::Amount', t)), vec(compactOf(t)), some(compactOf(t)), composite('mine::Holder', [['compact_one', compactOf(t)], ['other', t]]))
  }
  say(array(u8, 0), array(u16, 0), array(u8, 64), vec(vec(u8)), vec(array(u8, 20)), vec(wrap('mine::Byte', u8)), array(wrap('mine::Byte', u8), 4), vec(tuple(u8)))

  // Types that are known by their path.
  const h160 = wrap('primitive_types::H160', array(u8, 20))
  const h256 = wrap('primitive_types::H256', array(u8, 32))
  const h512 = wrap('primitive_types::H512', array(u8, 64))
  const wide = wrap('primitive_types::U256', array(u64, 4))
  const account = wrap('sp_core::crypto::AccountId32', array(u8, 32))
  const account20 = wrap('account::AccountId20', array(u8, 20))
  const frontier = wrap('fp_account::AccountId20', array(u8, 20))
  const ethereum = wrap('polkadot_runtime_common::claims::EthereumAddress', array(u8, 20))
  const per = { Percent: u8, PerU16: u16, Permill: u32, Perbill: u32, Perquintill: u64 }
  const things = Object.entries(per).map(([n, t]) => wrap(`sp_arithmetic::per_things::${n}`, t))
  const fixed = [wrap('sp_arithmetic::fixed_point::FixedU128', u128), wrap('sp_arithmetic::fixed_point::FixedI64', all.i64), wrap('sp_arithmetic::fixed_point::FixedI128', all.i128)]
  for (const t of [h160, h256, h512, wide, account, account20, frontier, ethereum, ...things, ...fixed]) {
    say(t, vec(t), some(t), array(t, 2), composite('mine::Keeps', [['it', t]]), wrap('mine::Is', t), tuple(t, u8))
  }
  for (const t of things.slice(1)) say(compactOf(t), vec(compactOf(t)))

  // Maps and sets of all that can be a key.
  const lane = wrap('mine::LaneId', array(u8, 4))
  const basic = variant('mine::Basic', [['First', 0, []], ['second_one', 1, []], ['THIRD', 2, []]])
  const rich = variant('mine::Rich', [['Empty', 0, []], ['Number', 1, unnamed(u32)], ['Pair', 2, unnamed(u8, u16)], ['With_fields', 3, [['a_field', u8], ['b', bool]]]])
  const struct = composite('mine::Struct', [['first_thing', u8], ['secondThing', u16]])
  for (const k of [bool, char, str, u8, u32, u64, u128, all.u256, all.i8, all.i64, all.i128, h160, h256, wide, account, account20, ...things, ...fixed, basic, rich, struct, tuple(u8, u16), vec(u8), vec(u16), array(u8, 4), array(u16, 2), some(u8), some(u128), compactOf(u32), compactOf(u128), wrap('mine::One', u32), composite('mine::Named', [['it', u64]])]) {
    say(map(k, u8), map(k, str), set(k))
  }
  say(map(tuple(u32, account, u128), u8), map(tuple(str, basic, some(u8), struct, rich), u8), map(vec(account), u8), map(array(wide, 2), u8), map(lane, u64), set(lane))
  say(map(u8, map(u8, u8)), map(u8, nothing), wrap('bounded_collections::bounded_btree_map::BoundedBTreeMap', map(account, u128), [account, u128, null]), wrap('bounded_collections::bounded_btree_set::BoundedBTreeSet', set(account), [account, null]))
  say(wrap('bounded_collections::bounded_vec::BoundedVec', vec(u8), [u8, null]), wrap('bounded_collections::weak_bounded_vec::WeakBoundedVec', vec(u32), [u32, null]))

  // Enums: gaps, indices out of order, none at all, nothing in any, names of all kinds.
  const gaps = variant('mine::Gaps', [['Last', 250, unnamed(u8)], ['First', 3, []], ['Middle', 77, [['x', u16]]]])
  const basicGaps = variant('mine::BasicGaps', [['Five', 5, []], ['One', 1, []]])
  const empty = variant('mine::Never', [])
  const odd = variant('mine::Odd', [['Nothing', 0, []], ['ABC', 1, unnamed(u8)], ['UUID64', 2, unnamed(u8)], ['NFTOrder', 3, unnamed(u8)], ['X1', 4, unnamed(u8)], ['X1Y', 5, unnamed(u8)], ['Ethereum_V2', 6, unnamed(u8)], ['r#type', 7, unnamed(u8)], ['lower', 8, unnamed(u8)], ['q"uote', 10, unnamed(u8)], ['BTreeMap', 11, unnamed(u8)]])
  const units = variant('mine::Units', [['A', 0, unnamed(nothing)], ['B', 1, unnamed(unit)], ['C', 2, []]])
  const mixed = variant('mine::Mixed', [['A', 0, unnamed(nothing)], ['B', 1, unnamed(u8)]])
  const oneNamed = variant('mine::OneNamed', [['A', 0, [['only', u8]]], ['B', 1, []]])
  say(basic, rich, gaps, basicGaps, odd, units, mixed, oneNamed, vec(basic), some(basic), some(units), result(basic, rich), result(u8, str), result(nothing, nothing), result(unit, basic), vec(empty), some(empty), variant('mine::HasNever', [['A', 0, unnamed(empty)], ['B', 1, unnamed(u8)]]))

  // Fields: names that JavaScript or JSON has for itself, cases of all kinds.
  say(composite('mine::Names', ['entries', 'keys', 'new', 'size', 'hash', 'registry', 'type', 'toJSON', 'r#type', 'r#in', 'r#move', '__private', 'trailing_', 'x_1', 'a1_b2', 'URL', 'theURL', 'snake_case_name', 'PascalCase', 'with space', 'dash-ed', 'a.b', 'default', 'constructor', 'length'].map((n) => [n, u8])))
  say(composite('mine::Tuple3', unnamed(u8, str, bool)), composite('mine::Nested', [['inner', struct], ['list', vec(struct)], ['maybe', some(struct)]]))

  // Ranges, bits, opaque values.
  const range = (name, t) => composite(name, [['start', t], ['end', t]], [t])
  for (const t of [u8, u32, u64, u128]) say(range('Range', t), range('RangeInclusive', t))
  const lsb = composite('bitvec::order::Lsb0', [])
  const msb = composite('bitvec::order::Msb0', [])
  say(bits(u8, lsb), bits(u8, msb), vec(bits(u8, lsb)), some(bits(u8, msb)), bits(lsb, u8), bits(msb, u8)) // and had the order first
  for (const name of ['WrapperOpaque', 'WrapperKeepOpaque']) {
    for (const t of [u32, str, struct, vec(u8)]) say(composite(`frame_support::traits::misc::${name}`, [[null, compactOf(u32)], [null, t]], [t]), wrap(`frame_support::traits::misc::${name}`, t, [t])) // early registries hide the length
  }
  const weight = composite('sp_weights::weight_v2::Weight', [['ref_time', compactOf(u64)], ['proof_size', compactOf(u64)]])
  say(weight, composite('frame_support::weights::weight_v2::Weight', [['ref_time', u64]]))

  // Addresses and signatures.
  const address = (id) => variant('sp_runtime::multiaddress::MultiAddress', [['Id', 0, unnamed(id)], ['Index', 1, unnamed(compactOf(u32))], ['Raw', 2, unnamed(vec(u8))], ['Address32', 3, unnamed(array(u8, 32))], ['Address20', 4, unnamed(array(u8, 20))]], [id, u32])
  say(address(account), vec(address(account)))
  const signature = (kind, n) => wrap(`sp_core::${kind}::Signature`, array(u8, n))
  say(variant('sp_runtime::MultiSignature', [['Ed25519', 0, unnamed(signature('ed25519', 64))], ['Sr25519', 1, unnamed(signature('sr25519', 64))], ['Ecdsa', 2, unnamed(array(u8, 65))]]), wrap('account::EthereumSignature', array(u8, 65)))
  // Data of identities: Raw0 to Raw32.
  const data = variant('pallet_identity::types::Data', [['None', 0, []], ...Array.from({ length: 33 }, (_, i) => [`Raw${i}`, i + 1, unnamed(array(u8, i))]), ...['BlakeTwo256', 'Sha256', 'Keccak256', 'ShaThree256'].map((n, i) => [n, 34 + i, unnamed(array(u8, 32))])])
  say(data, vec(data), composite('mine::Info', [['display', data], ['pairs', vec(tuple(data, data))]]))
  // A type of itself.
  const self = types.length + 1
  const boxed = add('mine::Tree', [], parts([0], list([['leaf', u8], ['children', self]], field)))
  if (vec(boxed) !== self) throw new Error('the tree is not what it should be')
  say(boxed)

  // What the test wants of every metadata: System.Events.
  const pallet = variant('mine::pallet::Event', [['Happened', 0, [['who', account], ['much', u128]]], ['Nothing', 9, []]])
  const event = variant('mine_runtime::RuntimeEvent', [['System', 0, unnamed(pallet)]])
  const phase = variant('frame_system::Phase', [['ApplyExtrinsic', 0, unnamed(u32)], ['Finalization', 1, []], ['Initialization', 2, []]])
  const record = composite('frame_system::EventRecord', [['phase', phase], ['event', event], ['topics', vec(h256)]], [event, h256])
  const call = variant('mine_runtime::RuntimeCall', [['System', 0, unnamed(variant('mine::pallet::Call', [['do_it', 0, [['the_first', u32], ['dest', address(account)]]], ['void', 4, []]]))]])
  const extra = tuple()
  const extrinsic = composite('sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic', [[null, vec(u8)]], [address(account), call, signature('sr25519', 64), extra])
  say(call, vec(call))

  // Storage: every hasher, alone and together; keys of all kinds.
  const HASHERS = { blake2_128: 0, blake2_256: 1, blake2_128_concat: 2, twox_128: 3, twox_256: 4, twox_64_concat: 5, identity: 6 }
  const h = (...names) => list(names, (n) => [HASHERS[n]])
  const plain = (name, t) => parts(text(name), [0], [0], compact(t), text(''), [0])
  const mapped = (name, hashers, key, t) => parts(text(name), [0], parts([1], h(...hashers), compact(key), compact(t)), text(''), [0])
  const names = Object.keys(HASHERS)
  const items = [plain('Events', vec(record))]
  names.forEach((n, i) => {
    items.push(mapped(`Map${i}`, [n], u32, u8), mapped(`Account${i}`, [n], account, u8), mapped(`Bytes${i}`, [n], vec(u8), u8), mapped(`Pair${i}`, [n], tuple(u32, u16), u8))
    items.push(mapped(`Double${i}`, [n, names[(i + 1) % names.length]], tuple(u32, account), u8), mapped(`Triple${i}`, [n, 'identity', names[(i + 2) % names.length]], tuple(account20, u64, vec(u8)), u8))
  })
  const keyed = { bool, char, u8, u16, u64, u128, u256: all.u256, i8: all.i8, i64: all.i64, i128: all.i128, h160, h256, wide, account20, frontier, basic, rich, gaps, struct, some: some(u32), someBool: some(bool), compact: compactOf(u32), per: things[3], array: array(u16, 2), vec: vec(u32), address: address(account), one: wrap('mine::One', u32), named: composite('mine::Named', [['it', u64]]), nested: tuple(tuple(u8, u8), u16), data, result: result(u8, basic) }
  for (const [name, t] of Object.entries(keyed)) {
    items.push(mapped(`Key${name}`, ['twox_64_concat'], t, u8), mapped(`Keys${name}`, ['twox_64_concat', 'blake2_128_concat'], tuple(t, u32), u8))
  }
  const storage = parts([1], text('System'), list(items, (i) => i))
  const constant = parts(text('SS58Prefix'), compact(u16), text(Buffer.from([42, 0]).toString()), [0])
  const pallets = list([0], () => parts(text('System'), storage, option(call, () => compact(variant('mine::pallet::Call', [['do_it', 0, [['the_first', u32], ['dest', address(account)]]], ['void', 4, []]]))), option(pallet, compact), list([constant], (c) => c), [0], [0]))
  const body = parts(list(types, (t) => t).slice(0, 0), pallets, compact(extrinsic), [4], list([], () => []), compact(nothing))
  const registry = parts(compact(types.length), ...types.map((t, i) => parts(compact(i), t)))
  return '0x6d6574610e' + Buffer.from(parts(registry, body)).toString('hex')
}
