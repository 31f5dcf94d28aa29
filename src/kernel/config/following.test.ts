import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { followFiles } from './following.ts'

let dir: string
let unfollow: () => void = () => undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'polity-following-'))
})
afterEach(() => {
  unfollow()
  rmSync(dir, { recursive: true, force: true })
})

const told = (paths: readonly string[]) => {
  const onChange = vi.fn()
  unfollow = followFiles(paths, onChange)
  return (times: number) =>
    vi.waitFor(() => expect(onChange).toHaveBeenCalledTimes(times), { timeout: 10_000 })
}

describe('files that are followed', () => {
  it('are told once at the start, and when one was written, replaced, removed, or has come', async () => {
    const [file, other] = [join(dir, 'a.yaml'), join(dir, 'b.yaml')]
    writeFileSync(file, 'a: 1')
    const becomes = told([file, other])
    await becomes(1)
    writeFileSync(file, 'a: 2')
    await becomes(2)
    writeFileSync(join(dir, 'next'), 'a: 3')
    renameSync(join(dir, 'next'), file)
    await becomes(3)
    writeFileSync(other, '')
    await becomes(4)
    rmSync(file)
    await becomes(5)
  })

  it('are not read while somebody writes them', async () => {
    const file = join(dir, 'a.yaml')
    const seen: string[] = []
    let written = ''
    unfollow = followFiles([file], () => seen.push(written))
    await vi.waitFor(() => expect(seen).toEqual(['']), { timeout: 10_000 })
    for (let part = 0; part < 30; part += 1) {
      written += 'x'
      writeFileSync(file, written)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await vi.waitFor(() => expect(seen).toEqual(['', written]), { timeout: 10_000 })
  })
})
