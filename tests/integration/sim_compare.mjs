// sim_compare.mjs PORT PORT STATE: asks two servers of one state the same and compares the texts.
import fs from 'node:fs'
import zlib from 'node:zlib'
import WebSocket from 'ws'

const [, , left, right, file] = process.argv
const state = JSON.parse(zlib.gunzipSync(fs.readFileSync(file)))

class Peer {
  constructor(port) {
    this.got = []
    this.waiting = []
    const options = { perMessageDeflate: false, maxPayload: 1 << 28 }
    this.ws = new WebSocket('ws://127.0.0.1:' + port, options)
    this.open = new Promise((resolve) => this.ws.on('open', resolve))
    this.ws.on('message', (message) => {
      const taker = this.waiting.shift()
      taker ? taker(message.toString()) : this.got.push(message.toString())
    })
  }
  next() {
    if (this.got.length) return Promise.resolve(this.got.shift())
    return new Promise((resolve) => this.waiting.push(resolve))
  }
  ask(text) {
    this.ws.send(text)
    return this.next()
  }
}

const peers = [new Peer(left), new Peer(right)]
await Promise.all(peers.map((peer) => peer.open))
let asked = 0
let different = 0

// The details of "Invalid params" are the server's own words.
const plain = (text) => text.replace(/("code":-32602,"message":"Invalid params"),"data":"[^"]*"/, '$1')
const same = (question, [a, b]) => {
  asked++
  if (plain(a) !== plain(b)) {
    different++
    console.log(`${question.slice(0, 200)}\n  < ${a.slice(0, 300)}\n  > ${b.slice(0, 300)}`)
  }
  return a
}
const both = async (text) => same(text, await Promise.all(peers.map((peer) => peer.ask(text))))
const request = (method, ...params) => JSON.stringify({ jsonrpc: '2.0', id: asked, method, params })
const ask = (method, ...params) => both(request(method, ...params))

const first = state.blocks[0]
const middle = state.blocks[state.blocks.length >> 1]
const last = state.blocks.at(-1)
const unknown = '0x' + '77'.repeat(32)
const keys = [...new Set([state.base, ...state.blocks.map((b) => b.storage)].flatMap(Object.keys))]

// Without the parameters these need, the reference server is laxer than a node.
const needing = /ubscribe|state_(call|getKeysPaged|getStorage)/
for (const method of JSON.parse(await ask('rpc_methods')).result.methods) {
  if (!needing.test(method)) await ask(method)
}
for (const block of state.blocks) {
  await ask('chain_getHeader', block.hash)
  await ask('chain_getBlockHash', block.number)
  await ask('state_getStorage', Object.keys(block.storage)[0], block.hash)
}
for (const n of [0, null, 4e9, 'abc', [], [0, 4e9, last.number, null, String(middle.number)]]) {
  await ask('chain_getBlockHash', n)
}
for (const key of keys) await ask('state_getStorage', key)
for (const block of [first, middle, last]) {
  for (let i = 0; i < keys.length; i += 300) {
    const some = [...keys.slice(i, i + 300), keys[i], '0xabcd', '0xabcd']
    await ask('state_queryStorageAt', some, block.hash)
  }
}
for (const hash of [unknown, last.hash, null]) {
  await ask('state_queryStorageAt', [keys[0]], hash)
  await ask('state_getStorageAt', keys[0], hash)
  await ask('state_getMetadata', hash)
  await ask('state_getRuntimeVersion', hash)
  await ask('chain_getHeader', hash)
  for (const prefix of ['0x', null, keys[0].slice(0, 34), '0xff', keys[5].slice(0, 10)]) {
    for (const start of [null, '0x', keys[0], keys[9], '0x5f', prefix]) {
      for (const count of [1, 7, 1000, 1001]) {
        await ask('state_getKeysPaged', prefix, count, start, hash)
      }
    }
  }
}
await ask('state_call', 'StakingApi_pending_rewards', '0x00')
for (const version of ['0e', '0f', ...(state.metadataAtVersion[16] ? ['10'] : [])]) {
  await ask('state_call', 'Metadata_metadata_at_version', `0x${version}000000`)
}
const odd = ['', '{', '[]', '[1]', '1', '"x"', 'null', '[[]]', '{"id":1,"method":"system_health"}',
  '{"jsonrpc":"2.0","id":null,"method":"system_chain"}', '{"jsonrpc":"2.0","id":1,"method":5}',
  '{"jsonrpc":"2.0","id":1.5,"method":"system_chain","params":null}',
  '{"jsonrpc":"2.0","id":4,"method":"chain_getHeader","params":{"a":1}}',
  '[{"jsonrpc":"2.0","method":"system_chain"}]',
  `[${request('system_health')},{"jsonrpc":"2.0","method":"system_chain"},1,${request('none')}]`]
for (const text of odd) await both(text)
for (const [method, ...params] of [['chain_subscribeFinalizedHeads'], ['chain_subscribeNewHeads'],
  ['state_subscribeRuntimeVersion'], ['state_subscribeStorage', [...keys.slice(0, 3), '0xabcd']]]) {
  await ask(method, ...params)
  same(method + ': first notification', await Promise.all(peers.map((peer) => peer.next())))
}

// Both bent in the same way.
const bend = async (one, other) => {
  await peers[0].ask(request('peer_set', one))
  await peers[1].ask(request('sim_set', other))
}
const deny = ['system_syncState', 'chain_getHeader']
await bend({ syncing: true, peers: 0 }, { syncing: true, peers: 0 })
await ask('system_health')
await ask('system_syncState')
await bend({ syncing: false, finalityLag: 3, deny }, { syncing: false, finality_lag: 3, deny })
for (const method of ['chain_getFinalizedHead', 'rpc_methods', ...deny]) await ask(method)
for (const batch of ['off', 1]) {
  await bend({ batch }, { batch })
  await both(`[${request('system_name')},${request('system_chain')}]`)
}
console.log(`${file.split('/').pop()}: ${asked} answers compared, ${different} different`)
process.exit(different ? 1 : 0)
