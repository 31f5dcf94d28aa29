// The file that a hub writes: one step back, whole or absent, and readable by its owner only.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { keptText, replaceOwnFile, restoreOwnFile } from './own-file.ts'

let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'polity-own-'))
  path = join(dir, 'polity.yaml')
})
afterEach(() => rmSync(dir, { recursive: true }))

it('keeps what it replaces, and puts it back once', () => {
  writeFileSync(path, 'one')
  replaceOwnFile(path, 'two')
  expect([readFileSync(path, 'utf8'), keptText(path)]).toEqual(['two', 'one'])
  expect(statSync(path).mode & 0o077).toBe(0)
  restoreOwnFile(path)
  expect([readFileSync(path, 'utf8'), keptText(path)]).toEqual(['one', undefined])
  restoreOwnFile(path)
  expect(readFileSync(path, 'utf8')).toBe('one')
})

it('puts nothing back where nothing was', () => {
  replaceOwnFile(path, 'one')
  expect(keptText(path)).toBe('')
  restoreOwnFile(path)
  expect(existsSync(path)).toBe(false)
  expect(readdirSync(dir)).toEqual([])
})

it('does not forget what was before when it is done again after a crash', () => {
  writeFileSync(path, 'one')
  replaceOwnFile(path, 'two')
  replaceOwnFile(path, 'two')
  expect(keptText(path)).toBe('one')
})
