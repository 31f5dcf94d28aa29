// The anchor: two slots, of which one may always be torn.

import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { coded } from '../coded.fixture.ts'
import { type FileAnchor, fileAnchor, memoryAnchor, readAnchor } from './anchor.ts'

const SLOT_SIZE_BYTES = 8192

describe('an anchor in a file', () => {
  let folder: string
  let path: string
  let open: FileAnchor[]
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-anchor-'))
    path = join(folder, 'deep', 'anchor')
    open = []
  })
  afterEach(() => {
    for (const anchor of open) anchor.close()
    rmSync(folder, { recursive: true })
  })
  const opened = (): FileAnchor => {
    const anchor = fileAnchor(path)
    open.push(anchor)
    return anchor
  }
  const swapped = async (...notes: string[]): Promise<FileAnchor> => {
    const anchor = opened()
    for (const note of notes) await anchor.swap(note)
    return anchor
  }
  /** Overwrites bytes of the slot in which the `place`-th note (from 1) was written. */
  const damage = (place: number, offset: number, bytes: Uint8Array) => {
    const file = openSync(path, 'r+')
    writeSync(file, bytes, 0, bytes.length, (place % 2) * SLOT_SIZE_BYTES + offset)
    closeSync(file)
  }

  it('holds nothing, then the last note, and keeps it', async () => {
    expect(readAnchor(path)).toBeUndefined()
    const anchor = opened()
    expect(anchor.load()).toBeUndefined()
    for (const note of ['one\n', 'two\n', 'three – drei\n']) {
      await anchor.swap(note)
      expect(anchor.load()).toBe(note)
      expect(readAnchor(path)).toBe(note)
    }
    expect(opened().load()).toBe('three – drei\n')
    expect(statSync(path).mode & 0o077).toBe(0)
  })

  it.each([
    ['its magic', 0],
    ['its counter', 16],
    ['its length', 24],
    ['its note', 30],
    ['its digest', 33],
  ])('falls back to the slot before when the last one is torn in %s', async (_what, offset) => {
    await swapped('one\n', 'two\n')
    damage(2, offset, Uint8Array.of(0xff, 0xee))
    expect(opened().load()).toBe('one\n')
    expect(readAnchor(path)).toBe('one\n')
    // And goes on from there.
    const anchor = opened()
    await anchor.swap('again\n')
    expect(opened().load()).toBe('again\n')
  })

  it('does not mind when the older slot is damaged', async () => {
    await swapped('one\n', 'two\n', 'three\n')
    damage(2, 0, Buffer.alloc(SLOT_SIZE_BYTES))
    expect(opened().load()).toBe('three\n')
  })

  it('stands when the file is cut within the newer slot', async () => {
    await swapped('one\n', 'two\n', 'three\n')
    truncateSync(path, SLOT_SIZE_BYTES + 20)
    expect(opened().load()).toBe('two\n')
  })

  it.each([
    ['both slots are damaged', () => Buffer.alloc(2 * SLOT_SIZE_BYTES, 0xaa)],
    ['the only slot is damaged', () => Buffer.alloc(10)],
    ['the file is something else', () => Buffer.from('a shopping list\n')],
  ])('is refused, not taken for fresh, when %s', async (_what, content) => {
    await swapped('one\n')
    writeFileSync(path, content())
    expect(() => fileAnchor(path)).toThrow(coded('anchor.corrupt'))
  })

  it('a length that points outside its slot is damage, not a crash', async () => {
    await swapped('one\n')
    damage(1, 24, Uint8Array.of(0xff, 0xff, 0xff, 0xff))
    expect(() => fileAnchor(path)).toThrow(coded('anchor.corrupt'))
  })

  it('moves only from what it last knew: a second owner is a conflict for the first', async () => {
    const first = await swapped('one\n')
    const second = opened()
    await second.swap('theirs\n')
    await expect(first.swap('mine\n')).rejects.toThrow(coded('anchor.conflict'))
    expect(readAnchor(path)).toBe('theirs\n')
    // It does not come to terms with it either.
    await expect(first.swap('mine\n')).rejects.toThrow(coded('anchor.conflict'))
    await second.swap('theirs again\n')
    expect(opened().load()).toBe('theirs again\n')
  })

  it('conflicts when the file was emptied under it', async () => {
    const anchor = await swapped('one\n')
    truncateSync(path, 0)
    await expect(anchor.swap('two\n')).rejects.toThrow(coded('anchor.conflict'))
  })

  it('takes no note that does not fit, and still stands', async () => {
    const anchor = await swapped('one\n')
    await expect(anchor.swap('x'.repeat(SLOT_SIZE_BYTES))).rejects.toThrow(coded('anchor.unwritable'))
    expect(anchor.load()).toBe('one\n')
    await anchor.swap('two\n')
    expect(opened().load()).toBe('two\n')
  })

  it('says so when it cannot be written', () => {
    writeFileSync(join(folder, 'deep'), 'a file where a folder should be')
    expect(() => fileAnchor(path)).toThrow(coded('anchor.unwritable'))
    expect(() => fileAnchor(folder)).toThrow(coded('anchor.unwritable'))
    rmSync(join(folder, 'deep'))
    const anchor = opened()
    expect(readFileSync(path).length).toBe(0)
    expect(anchor.load()).toBeUndefined()
  })

  it('is made again when somebody removes it', async () => {
    const anchor = opened()
    await anchor.swap('one\n')
    rmSync(path)
    await anchor.swap('two\n')
    expect(readAnchor(path)).toBe('two\n')
    await anchor.swap('three\n')
    expect(readAnchor(path)).toBe('three\n')
  })

  it('is tried again when it was removed and cannot be made for a while', async () => {
    const anchor = opened()
    await anchor.swap('one\n')
    rmSync(path)
    mkdirSync(path)
    for (let time = 0; time < 2; time++)
      await expect(anchor.swap('two\n')).rejects.toThrow(coded('anchor.unwritable'))
    rmSync(path, { recursive: true })
    await anchor.swap('two\n')
    expect(readAnchor(path)).toBe('two\n')
  })

  it('is not overwritten when somebody puts another in its place', async () => {
    const anchor = opened()
    await anchor.swap('one\n')
    rmSync(path)
    const other = fileAnchor(path)
    await other.swap('theirs\n')
    await expect(anchor.swap('two\n')).rejects.toThrow(coded('anchor.conflict'))
    expect(readAnchor(path)).toBe('theirs\n')
    other.close()
  })
})

describe('an anchor in memory', () => {
  it('survives its owner and refuses a second one', () => {
    const state = {}
    const first = memoryAnchor(state)
    first.swap('one\n')
    const second = memoryAnchor(state)
    expect(second.load()).toBe('one\n')
    second.swap('two\n')
    expect(() => first.swap('three\n')).toThrow(coded('anchor.conflict'))
    expect(second.load()).toBe('two\n')
  })
})
