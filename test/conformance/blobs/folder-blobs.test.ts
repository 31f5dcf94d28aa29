// The folder adapter under the suite of every Blobs, and what only a file system can do to it.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { pathOf } from '../../../src/kernel/blobs/blobs.ts'
import { folderBlobs } from '../../../src/kernel/blobs/folder/folder-blobs.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'
import { blobsConformance, named, START_MS } from './suite.ts'

const env = { now: () => START_MS, random: (sizeBytes: number) => randomBytes(sizeBytes) }

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'polity-blobs-'))
  return dir
}

function openFolder() {
  const dir = tempDir()
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return {
    dir,
    blobs: folderBlobs({ dir: join(dir, 'copy'), env }),
    at: (sha256: string) => join(dir, 'copy', pathOf(sha256)),
  }
}

blobsConformance('a folder', async () => {
  const dir = tempDir()
  const clock = { nowMs: START_MS }
  const reopen = () => folderBlobs({ dir, env: { ...env, now: () => clock.nowMs } })
  return {
    blobs: reopen(),
    reopen,
    clock,
    async replace(sha256, bytes) {
      const path = join(dir, pathOf(sha256))
      rmSync(path, { force: true })
      writeFileSync(path, bytes)
    },
    async remove(sha256) {
      rmSync(join(dir, pathOf(sha256)))
    },
    close: async () => rmSync(dir, { recursive: true, force: true }),
  }
})

describe('a folder of blobs', () => {
  const { sha256, bytes } = named('a scroll')

  it('has files that nobody but their owner reads and nobody writes, and leaves no drafts', async () => {
    const { blobs, at } = openFolder()
    await blobs.put(sha256, bytes, { hold: true })
    expect(statSync(at(sha256)).mode & 0o777).toBe(0o400)
    expect(statSync(`${at(sha256)}.lock`).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(at(sha256))).mode & 0o777).toBe(0o700)
    expect(readdirSync(dirname(at(sha256))).toSorted()).toEqual([sha256, `${sha256}.lock`])
  })

  it('finds the change of any single bit', async () => {
    const { blobs, at } = openFolder()
    await blobs.put(sha256, bytes)
    chmodSync(at(sha256), 0o600)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bent = Buffer.from(bytes)
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      writeFileSync(at(sha256), bent)
      expect(await codeOf(blobs.open(sha256)), `bit ${bit}`).toBe('blob.corrupt')
    }
  })

  it('does not follow a link, wait for a pipe or read a folder in place of a blob, and repairs each', async () => {
    const { dir, blobs, at } = openFolder()
    const elsewhere = join(dir, 'elsewhere')
    writeFileSync(elsewhere, bytes)
    const impostors: Record<string, (path: string) => void> = {
      'a link to the right bytes': (path) => symlinkSync(elsewhere, path),
      'a link to nothing': (path) => symlinkSync(join(dir, 'nothing'), path),
      'a pipe': (path) => execFileSync('mkfifo', [path]),
      'a folder': (path) => {
        mkdirSync(path)
        writeFileSync(join(path, 'inside'), 'x')
      },
    }
    await blobs.put(sha256, bytes)
    for (const [what, place] of Object.entries(impostors)) {
      rmSync(at(sha256), { recursive: true, force: true })
      place(at(sha256))
      expect(await codeOf(blobs.open(sha256)), what).toBe('blob.corrupt')
      await blobs.put(sha256, bytes)
      expect(Buffer.from(await blobs.open(sha256)), what).toEqual(Buffer.from(bytes))
    }
    expect(readFileSync(elsewhere)).toEqual(Buffer.from(bytes))
  })

  it('does not take a damaged protection for none', async () => {
    const { blobs, at } = openFolder()
    await blobs.put(sha256, bytes, { hold: true })
    for (const damaged of ['', '{', '{}', '{"isHeld":false,"more":1}', '[]', 'null', 'x'.repeat(5000)]) {
      writeFileSync(`${at(sha256)}.lock`, damaged)
      expect(await codeOf(blobs.drop(sha256, { isBypass: true })), damaged).toBe('blob.corrupt')
      expect(existsSync(at(sha256))).toBe(true)
    }
    expect(Buffer.from(await blobs.open(sha256))).toEqual(Buffer.from(bytes))
  })

  it('says which folder cannot be used, and what for', async () => {
    const { dir } = openFolder()
    writeFileSync(join(dir, 'file'), '')
    const blobs = folderBlobs({ dir: join(dir, 'file', 'copy'), env })
    expect(await codeOf(blobs.put(sha256, bytes))).toBe('blob.unreachable')
    expect(await codeOf(blobs.open(sha256))).toBe('not-found')
  })
})
