// The key ring: a successor is made once, survives whatever happens to the process, and takes over when the log says so.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatVkey } from '../../kit/signed-note.ts'
import { checkRotation } from '../keys/rotation.ts'
import { fileKeyRing, fixedKeys, memoryKeyRing, nextKeyPath } from './key-ring.ts'
import { keySigner, signersOf } from './signer.ts'

const NAME = 'ring.example/log'
const CLAIM = { at: '2026-01-02T03:04:05Z', reason: 'scheduled' } as const

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'polity-ring-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))
const path = () => join(dir, 'log.key')
const reopen = () => fileKeyRing(NAME, path(), false)

describe('a ring of key files', () => {
  it('hands over in two steps, and each survives the process', async () => {
    const ring = fileKeyRing(NAME, path(), true)
    const rotation = await ring.prepare(CLAIM)
    expect(checkRotation(rotation).from.name).toBe(NAME)
    expect(statSync(nextKeyPath(path())).mode & 0o777).toBe(0o600)
    const both = [rotation.from, rotation.to]
    expect(ring.vkeys()).toEqual(both)
    expect(reopen().vkeys()).toEqual(both)
    expect(signersOf(reopen()).map(({ key }) => formatVkey(key))).toEqual(both)

    expect(await ring.settle({ current: rotation.to, previous: rotation.from })).toEqual(both)
    expect(await reopen().settle({ current: rotation.to, previous: rotation.from })).toEqual(both)

    expect(await reopen().settle({ current: rotation.to })).toEqual([rotation.to])
    expect(existsSync(nextKeyPath(path()))).toBe(false)
    expect(reopen().vkeys()).toEqual([rotation.to])
    expect(await reopen().settle({ current: rotation.to })).toEqual([rotation.to])
  })

  it('keeps a successor that no entry names for the next attempt, and makes no second one', async () => {
    const ring = fileKeyRing(NAME, path(), true)
    const [first, second] = [await ring.prepare(CLAIM), await ring.prepare(CLAIM)]
    expect(second.to).toBe(first.to)
    expect((await reopen().prepare(CLAIM)).to).toBe(first.to)
    // The log still names the old key alone.
    expect(await reopen().settle({ current: first.from })).toEqual([first.from, first.to])
  })

  it('refuses to go on without the key that the log names, and leaves the files as they are', async () => {
    const ring = fileKeyRing(NAME, path(), true)
    const { from } = await ring.prepare(CLAIM)
    const before = [path(), nextKeyPath(path())].map((each) => readFileSync(each, 'utf8'))
    const stranger = formatVkey(keySigner(NAME).key)
    await expect(ring.settle({ current: stranger })).rejects.toMatchObject({ code: 'signer.failed' })
    await expect(ring.settle({ current: stranger, previous: from })).rejects.toMatchObject({
      code: 'signer.failed',
    })
    expect([path(), nextKeyPath(path())].map((each) => readFileSync(each, 'utf8'))).toEqual(before)
  })

  it('hands over to a program, which then holds the only key', async () => {
    fileKeyRing(NAME, path(), true)
    const program = keySigner(NAME)
    const ring = fileKeyRing(NAME, path(), false, program)
    const rotation = await ring.prepare(CLAIM)
    expect(rotation.to).toBe(formatVkey(program.key))
    expect(existsSync(nextKeyPath(path()))).toBe(false)
    expect(await ring.settle({ current: rotation.to })).toEqual([rotation.to])
    expect(existsSync(path())).toBe(false)
    expect(fileKeyRing(NAME, path(), false, program).vkeys()).toEqual([rotation.to])
    expect(() => reopen()).toThrow(expect.objectContaining({ code: 'signer.failed' }))
    await expect(fileKeyRing(NAME, path(), false, program).prepare(CLAIM)).rejects.toMatchObject({
      code: 'keys.external',
    })
  })
})

describe('keys that cannot be handed over', () => {
  it('say so', async () => {
    const { key } = keySigner(NAME)
    const fixed = fixedKeys([formatVkey(key)])
    await expect(fixed.prepare(CLAIM)).rejects.toMatchObject({ code: 'keys.external' })
    expect(await fixed.settle({ current: formatVkey(key) })).toHaveLength(1)
    await expect(fixed.settle({ current: 'other' })).rejects.toMatchObject({ code: 'signer.failed' })
  })

  it('are not those in memory', async () => {
    const ring = memoryKeyRing(NAME)
    const { to } = await ring.prepare(CLAIM)
    await ring.settle({ current: to })
    expect(formatVkey(ring.key)).toBe(to)
  })
})
