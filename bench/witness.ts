// How long a witness takes: two hubs in processes of their own on loopback, one cosigning the other's log.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type HubProcess, startHub } from './hub-process.ts'
import { ms, openReport, percentile, timed } from './report.ts'
import { openBenchLog } from './witness-log.ts'

const WARM_UP = 50
const ROUNDS = 500
const TARGET_MS = 10
/** A witness takes so many new checkpoints of one log a second, and no more. */
const PAUSE_MS = 12

export async function benchWitness(): Promise<void> {
  const report = openReport('witness')
  const dirs = ['log', 'peer'].map((name) => mkdtempSync(join(tmpdir(), `polity-bench-${name}-`)))
  const [log, peer] = (await Promise.all(dirs.map((dir) => startHub(dir)))) as [HubProcess, HubProcess]
  try {
    await haveCosigned(log, peer)
    const waits = { signed: await timeWrites(log, 'signed'), cosigned: await timeWrites(log, 'cosigned') }
    const trips = await timeRoundTrips(peer)
    const tripMs = percentile(trips, 0.5)
    report.add({
      name: 'round trip, p50',
      value: ms(tripMs),
      target: `< ${TARGET_MS} ms`,
      isMet: tripMs < TARGET_MS,
      method: `${ROUNDS} requests of add-checkpoint one after the other, ${PAUSE_MS} ms apart, each for a checkpoint that is new to the witness, with its proof; state synced to disk before the answer`,
    })
    report.add({
      name: 'round trip, p95',
      value: ms(percentile(trips, 0.95)),
      method: 'the same requests',
    })
    for (const [wait, durations] of Object.entries(waits))
      report.add({
        name: `write until ${wait}, p50 / p95`,
        value: `${ms(percentile(durations, 0.5))} / ${ms(percentile(durations, 0.95))}`,
        method: `${ROUNDS} documents written over HTTP one after the other, Polity-Wait: ${wait}`,
      })
    report.print()
  } finally {
    await Promise.all([log.stop(), peer.stop()])
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  }
}

const textOf = async (url: string): Promise<string> => (await fetch(url)).text()
const tokenOf = ({ dataDir }: HubProcess): string => readFileSync(join(dataDir, 'admin.token'), 'utf8').trim()

async function ask(hub: HubProcess, path: string, method: string, body: unknown, headers: object = {}) {
  const response = await fetch(`${hub.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokenOf(hub)}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const answer = await response.text()
  if (!response.ok) throw new Error(answer)
}

async function haveCosigned(log: HubProcess, peer: HubProcess): Promise<void> {
  const vkey = (await textOf(`${log.url}/log/vkey`)).trim()
  const witness = (await textOf(`${peer.url}/log/witness/vkey`)).trim()
  await ask(peer, '/v1/actions/witness.admit', 'POST', { input: { vkey } })
  const policy = `log ${vkey}\nwitness peer ${witness} ${peer.url}/log/witness\nquorum peer\n`
  await ask(log, '/v1/actions/witness.set-policy', 'POST', { input: { policy } })
}

async function timeWrites(log: HubProcess, wait: string): Promise<number[]> {
  const durations: number[] = []
  for (let n = 0; n < WARM_UP + ROUNDS; n++) {
    const write = () =>
      ask(log, `/v1/state/bench/key-${n % 10}`, 'PUT', { value: n }, { 'polity-wait': wait })
    durations.push(await timed(write))
  }
  return durations.slice(WARM_UP)
}

/** A log of the bench's own, so that nothing but the witness is timed. */
async function timeRoundTrips(peer: HubProcess): Promise<number[]> {
  const own = openBenchLog('bench.example/log')
  await ask(peer, '/v1/actions/witness.admit', 'POST', { input: { vkey: own.vkey } })
  const durations: number[] = []
  for (let n = 0; n < WARM_UP + ROUNDS; n++) {
    const body = await own.next()
    let status = 0
    durations.push(
      await timed(async () => {
        const response = await fetch(`${peer.url}/log/witness/add-checkpoint`, { method: 'POST', body })
        status = response.status
        await response.text()
      }),
    )
    if (status !== 200) throw new Error(`the witness answers ${status}`)
    await delay(PAUSE_MS)
  }
  return durations.slice(WARM_UP)
}
