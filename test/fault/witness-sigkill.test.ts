// Two hubs in processes of their own witness each other, and are killed again and again: no cosignature is forgotten, and what is pending is caught up with.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { clientOf } from '../../src/doors/http/fixtures/client.ts'
import { parseCheckpoint } from '../../src/kit/checkpoint.ts'
import { openNote, parseVkey } from '../../src/kit/signed-note.ts'
import { originHash } from '../../src/kit/tlog-witness.ts'
import { openSandbox, type RunningHub, type Sandbox } from '../integration/cli-process.ts'

const KILLS = 4
const WRITES_PER_KILL = 15
const PATIENCE = 'wait=60'

interface Peer {
  readonly sandbox: Sandbox
  readonly port: string
  readonly vkey: string
  readonly witnessVkey: string
  running: RunningHub
}

it('loses no cosignature, and catches up after every kill of either side', { timeout: 180_000 }, async () => {
  const [a, b] = await Promise.all([openPeer(), openPeer()])
  await witnessEachOther(a, b)
  for (const peer of [a, b]) expect((await put(peer, 'first')).status).toBe(200)

  let seen = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const writes = Array.from({ length: WRITES_PER_KILL }, (_, n) => put(a, `${kill}-${n}`))
    await Promise.race(writes)
    const before = await witnessedSize(a, b)
    await b.running.stop('SIGKILL')
    expect(before).toBeGreaterThanOrEqual(seen)
    seen = before
    // What was written is written, with its witness or without it.
    const late = await put(a, `alone-${kill}`, 'wait=0')
    expect([late.status, late.json]).toMatchObject([504, { code: 'witness.pending', committed: true }])
    await restart(b)
    expect(await shownSize(b, a)).toBeGreaterThanOrEqual(seen)
    expect((await Promise.all(writes)).map(({ status }) => status)).toEqual(Array(WRITES_PER_KILL).fill(200))
    expect((await put(a, `again-${kill}`)).status).toBe(200)
  }

  await a.running.stop('SIGKILL')
  await restart(a)
  expect(await witnessedSize(a, b)).toBeGreaterThanOrEqual(seen)
  for (const peer of [a, b]) expect((await put(peer, 'last')).status).toBe(200)
  const status = await a.sandbox.polity(['witness', 'status', '--json', '--data', a.running.dataDir])
  expect(JSON.parse(status.stdout)).toMatchObject({
    witnesses: [{ name: 'peer' }],
    logs: [{ vkeys: [b.vkey] }],
  })
  const alerts = await a.sandbox.polity(['alerts', '--json', '--data', a.running.dataDir])
  expect(JSON.parse(alerts.stdout)).toEqual({ items: [] })
  expect((await a.sandbox.polity(['verify', '--data', a.running.dataDir])).exitCode).toBe(0)
})

async function openPeer(): Promise<Peer> {
  const sandbox = openSandbox()
  onTestFinished(() => sandbox.remove())
  const running = await sandbox.up(['--no-mirror'])
  const read = clientOf(running.url)
  return {
    sandbox,
    running,
    port: new URL(running.url).port,
    vkey: (await read('/log/vkey')).text.trim(),
    witnessVkey: (await read('/log/witness/vkey')).text.trim(),
  }
}

/** On the same port, where the other one's policy says that it is. */
async function restart(peer: Peer): Promise<void> {
  peer.running = await peer.sandbox.up(['--no-mirror', '--port', peer.port])
}

async function witnessEachOther(...peers: readonly [Peer, Peer]): Promise<void> {
  for (const [peer, other] of [peers, peers.toReversed()] as readonly (readonly [Peer, Peer])[]) {
    const { dataDir } = peer.running
    const file = join(peer.sandbox.dir, 'policy')
    const witness = `witness peer ${other.witnessVkey} ${other.running.url}/log/witness`
    writeFileSync(file, `log ${peer.vkey}\n${witness}\nquorum peer\n`)
    for (const words of [
      ['witness', 'admit', other.vkey],
      ['witness', 'policy', `@${file}`, '--yes'],
    ]) {
      const { exitCode, stderr } = await peer.sandbox.polity([...words, '--data', dataDir])
      expect([exitCode, stderr]).toEqual([0, expect.any(String)])
    }
  }
}

function put({ running }: Peer, key: string, prefer = PATIENCE) {
  const token = readFileSync(join(running.dataDir, 'admin.token'), 'utf8').trim()
  return clientOf(running.url, token)(`/v1/state/n/${key}`, {
    method: 'PUT',
    body: { value: key },
    headers: { 'polity-wait': 'cosigned', prefer },
  })
}

const sizeOf = (note: string, vkeys: readonly string[]): number => {
  const { text, verified } = openNote(note, vkeys.map(parseVkey))
  expect(verified).toHaveLength(vkeys.length)
  return parseCheckpoint(text).size
}

/** What `peer` calls witnessed, and is. */
async function witnessedSize(peer: Peer, witness: Peer): Promise<number> {
  const { text } = await clientOf(peer.running.url)('/log/checkpoint/witnessed')
  return sizeOf(text, [peer.vkey, witness.witnessVkey])
}

/** What `witness` has cosigned of the log of `peer`. */
async function shownSize(witness: Peer, peer: Peer): Promise<number> {
  const path = `/log/witness/${originHash(parseVkey(peer.vkey).name)}/checkpoint`
  return sizeOf((await clientOf(witness.running.url)(path)).text, [peer.vkey, witness.witnessVkey])
}
