// SIGKILL on the way of a bundle: the next process has the old rules or the new ones in force, and ends what was begun.

import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { tempFolder } from '../integration/lab/hubs.ts'

const CHILD = fileURLToPath(new URL('./rules.child.ts', import.meta.url))

function live(root: string, killAt: number) {
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, [CHILD, root, `${killAt}`], {
    encoding: 'utf8',
  })
  if (signal === 'SIGKILL') return undefined
  expect([status, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as {
    readonly runs: readonly string[]
    readonly activated: number
    readonly isNew: boolean
    readonly isSame: boolean
  }
}

describe('a load that is killed', { timeout: 240_000 }, () => {
  it.each([1, 5, 9])('at id %i is not begun, or goes on to its end, and happens once', (killAt) => {
    const { root } = tempFolder()
    const first = live(root, killAt)
    const left = first ?? live(root, 0)
    const isBegun = left?.runs.length === 1
    expect(left).toEqual({
      runs: isBegun ? ['done'] : [],
      activated: isBegun ? 1 : 0,
      isNew: isBegun,
      isSame: true,
    })
    expect(live(root, 0)).toEqual(left)
  })
})
