// How soon a hub is ready: on an empty folder and on a log of a million entries, and what it weighs there.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appendMany, ENTRIES } from './fill-log.ts'
import { startHub } from './hub-process.ts'
import { ms, openReport, percentile } from './report.ts'

const STARTS = 5

export async function benchStart(): Promise<void> {
  const report = openReport('start')
  const empty: number[] = []
  for (let start = 0; start < STARTS; start++)
    empty.push((await inFolder(async (dir) => timeStart(dir))).readyMs)
  const emptyMs = percentile(empty, 0.5)
  report.add({
    name: 'ready, empty folder',
    value: ms(emptyMs),
    target: '< 1,500 ms',
    isMet: emptyMs < 1500,
    method: `median of ${STARTS} starts of bin/polity to its ready line, each on a new folder`,
  })

  await inFolder(async (dir) => {
    // A hub opens the log first, so that its keys, origin and anchor are where it will look for them.
    await timeStart(dir)
    await appendMany(dir)
    const full = []
    for (let start = 0; start < STARTS; start++) full.push(await timeStart(dir))
    const fullMs = percentile(
      full.map(({ readyMs }) => readyMs),
      0.5,
    )
    const treeMiB = Math.max(...full.map((each) => each.treeMiB))
    report.add({
      name: 'ready, 1,000,000 entries',
      value: ms(fullMs),
      target: '< 3,000 ms',
      isMet: fullMs < 3000,
      method: `median of ${STARTS} starts on a log of ${ENTRIES.toLocaleString('en')} entries`,
    })
    report.add({
      name: 'memory, 1,000,000 entries',
      value: `${treeMiB} MiB`,
      target: '< 300 MiB',
      isMet: treeMiB < 300,
      method: 'PSS of the hub and its children when ready, the largest of these starts',
    })
  })
  report.print()
}

async function inFolder<T>(act: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-start-'))
  try {
    return await act(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function timeStart(dir: string): Promise<{ readyMs: number; treeMiB: number }> {
  const hub = await startHub(dir)
  const treeMiB = hub.treeMiB()
  await hub.stop()
  return { readyMs: hub.readyMs, treeMiB }
}
