// A hub's folder: one hub at a time, keys that must not go missing, copies that cannot fork the log, and the seal.

import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { checkSeal } from '../../src/kernel/audit/verify/seal.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { state } from '../../src/modules/state/module.ts'
import { codeOf, entriesOf, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'

const modules = [state]
const put = { namespace: 'n', key: 'k', value: 'private' }
const get = { namespace: 'n', key: 'k' }

/** A folder in which a hub has written something, closed. */
async function usedFolder(writes = 3) {
  const folder = tempFolder()
  const hub = await openTestHub('sqlite', { ...folder, modules })
  for (let write = 0; write < writes; write++) await hub.invoke(owner, 'state.put', put)
  await hub.close()
  return { ...folder, paths: dataPaths(folder.dir) }
}

const open = (folder: { dir: string; anchorPath: string }) => openTestHub('sqlite', { ...folder, modules })

describe('a folder', () => {
  it('takes one hub at a time, and is free once that has closed', async () => {
    const folder = tempFolder()
    const first = await open(folder)
    expect(await codeOf(open(folder))).toBe('store.locked')
    await first.invoke(owner, 'state.put', put)
    await first.close()
    await first.close()
    const second = await open(folder)
    expect((await second.ask(owner, 'state.get', get)).output).toMatchObject({ version: 1, value: 'private' })
  })

  it('is free again when its hub was killed', async () => {
    const folder = tempFolder()
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./lab/holder.child.ts', import.meta.url)), folder.dir, folder.anchorPath],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
    for await (const line of createInterface({ input: child.stdout })) {
      expect(line).toBe('open')
      break
    }
    expect(await codeOf(open(folder))).toBe('store.locked')
    child.kill('SIGKILL')
    expect(await ended).toBe('SIGKILL')
    const hub = await open(folder)
    expect((await entriesOf(hub)).length).toBeGreaterThan(0)
  })

  it('and everything secret in it is for its owner alone', async () => {
    const { dir, paths } = await usedFolder()
    const modeOf = (path: string) => statSync(path).mode & 0o777
    expect(modeOf(dir)).toBe(0o700)
    for (const path of [paths.signingKey, paths.statementKey, paths.vaultKey, paths.adminToken])
      expect(modeOf(path)).toBe(0o600)
  })

  it('has its permissions put right when somebody opened them up', async () => {
    const { paths, ...folder } = await usedFolder()
    const secret = [paths.signingKey, paths.statementKey, paths.vaultKey, paths.adminToken]
    for (const path of secret) chmodSync(path, 0o644)
    await open(folder)
    for (const path of secret) expect(statSync(path).mode & 0o777, path).toBe(0o600)
  })

  it.each(['signingKey', 'vaultKey', 'statementKey'] as const)(
    'without its %s is refused, and fine once that is back',
    async (key) => {
      const { paths, ...folder } = await usedFolder()
      const kept = readFileSync(paths[key])
      rmSync(paths[key])
      expect(await codeOf(open(folder))).toMatch(/^(signer.failed|data.unwritable)$/)
      expect(existsSync(paths[key])).toBe(false)
      // Not even when the public key, which anybody may lose, is gone too.
      rmSync(paths.vkey)
      expect(await codeOf(open(folder))).toMatch(/^(signer.failed|data.unwritable)$/)
      writeFileSync(paths[key], kept)
      const hub = await open(folder)
      expect((await hub.ask(owner, 'state.get', get)).output).toMatchObject({ value: 'private' })
      expect(existsSync(paths.vkey)).toBe(true)
    },
  )

  it.each([
    ['a vault key of another size', 'vaultKey', 'x', 'data.unwritable'],
    ['a signing key that is none', 'signingKey', 'x', 'signer.failed'],
  ] as const)('with %s is refused', async (_name, key, content, code) => {
    const { paths, ...folder } = await usedFolder()
    writeFileSync(paths[key], content)
    expect(await codeOf(open(folder))).toBe(code)
  })

  it('that is none, or cannot be written, is refused', async () => {
    const { root, anchorPath } = tempFolder()
    const file = join(root, 'file')
    writeFileSync(file, '')
    expect(await codeOf(open({ dir: file, anchorPath }))).toBe('data.unwritable')
    expect(await codeOf(open({ dir: join(file, 'below'), anchorPath }))).toBe('data.unwritable')
    // A place in which not even root can create a file.
    expect(await codeOf(open({ dir: '/proc/self', anchorPath }))).toBe('data.unwritable')
  })

  it('whose anchor cannot be written is refused, and not left locked', async () => {
    const folder = tempFolder()
    mkdirSync(folder.anchorPath)
    expect(await codeOf(open(folder))).toBe('anchor.unwritable')
    rmSync(folder.anchorPath, { recursive: true })
    expect((await entriesOf(await open(folder))).length).toBeGreaterThan(0)
  })
})

describe('a copy of a folder', () => {
  it('behind the anchor is refused', async () => {
    const { root, paths: _, ...folder } = await usedFolder()
    const copy = join(root, 'copy')
    cpSync(folder.dir, copy, { recursive: true })
    const hub = await open(folder)
    await hub.invoke(owner, 'state.put', put)
    await hub.close()
    expect(await codeOf(open({ dir: copy, anchorPath: folder.anchorPath }))).toBe('log.rollback')
    // The original goes on.
    expect((await (await open(folder)).ask(owner, 'state.get', get)).output).toMatchObject({ version: 4 })
  })

  it('that grew into another history is refused', async () => {
    const { root, paths: _, ...folder } = await usedFolder()
    const copy = { dir: join(root, 'copy'), anchorPath: join(root, 'anchor of the copy') }
    cpSync(folder.dir, copy.dir, { recursive: true })
    for (const each of [folder, copy]) {
      const hub = await open(each)
      await hub.invoke(owner, 'state.put', put)
      await hub.close()
    }
    expect(await codeOf(open({ ...copy, anchorPath: folder.anchorPath }))).toBe('log.corrupt')
  })

  it('that moves the anchor of a running hub stops it from publishing', async () => {
    const { root, paths: _, ...folder } = await usedFolder()
    const failures: string[] = []
    const conflict = Promise.withResolvers<void>()
    const first = await openTestHub('sqlite', {
      ...folder,
      modules,
      onFailure: ({ code }) => {
        failures.push(code)
        if (code === 'anchor.conflict') conflict.resolve()
      },
    })
    await settle(first)
    const size = first.log.head().size
    const copy = join(root, 'copy')
    cpSync(folder.dir, copy, { recursive: true })
    const second = await open({ dir: copy, anchorPath: folder.anchorPath })
    await second.invoke(owner, 'state.put', put)
    await second.close()
    const refused = first.invoke(owner, 'state.put', put)
    await conflict.promise
    // Nobody could know when it was committed where it is, but nobody outside may ever see it.
    await refused
    expect(first.log.lost.reason).toMatchObject({ code: 'anchor.conflict' })
    expect(await codeOf(first.invoke(owner, 'state.put', put))).toBe('log.closed')
    expect(await codeOf(first.ask(owner, 'state.get', get))).toBe('log.closed')
    expect(first.log.head().size).toBe(size)
    expect(failures.filter((code) => code === 'anchor.conflict')).toHaveLength(1)
    await first.close()
    expect(await codeOf(open(folder))).toMatch(/^log\.(rollback|corrupt)$/)
  })
})

describe('a folder without its anchor', () => {
  const heardOnOpen = async (folder: { dir: string; anchorPath: string }) => {
    const heard: string[] = []
    const hub = await openTestHub('sqlite', { ...folder, modules, onFailure: ({ code }) => heard.push(code) })
    await hub.close()
    return heard
  }

  it('is adopted, and a person is told so once', async () => {
    const { paths: _, ...folder } = await usedFolder()
    rmSync(folder.anchorPath)
    expect(await heardOnOpen(folder)).toEqual(['anchor.adopted'])
    expect(await heardOnOpen(folder)).toEqual([])
  })

  it('that is new is nothing to speak of', async () => {
    expect(await heardOnOpen(tempFolder())).toEqual([])
  })

  it('is refused when the checkpoint beside it says that entries are gone', async () => {
    const { paths, ...folder } = await usedFolder()
    const older = readFileSync(paths.database)
    const hub = await open(folder)
    await hub.invoke(owner, 'state.put', put)
    await hub.close()
    const newer = readFileSync(paths.database)
    writeFileSync(paths.database, older)
    rmSync(folder.anchorPath)
    expect(await codeOf(open(folder))).toBe('log.rollback')
    writeFileSync(paths.database, newer)
    expect(await heardOnOpen(folder)).toEqual(['anchor.adopted'])
  })

  it.each([
    ['nothing of ours', 'nonsense'],
    ['a checkpoint of another key', 'polity.invalid/main/0\n99\nAAAA\n\n\u2014 x AAAAAAAA\n'],
    ['too much', 'x'.repeat(1_000_001)],
  ])('is not stopped by a checkpoint file that holds %s', async (_name, content) => {
    const { paths, ...folder } = await usedFolder()
    rmSync(folder.anchorPath)
    writeFileSync(paths.checkpoint, content)
    expect(await heardOnOpen(folder)).toEqual(['anchor.adopted'])
  })
})

describe('the seal', () => {
  it('stands while no hub runs, and is broken before one writes', async () => {
    const { paths, ...folder } = await usedFolder()
    expect(await checkSeal(paths.database)).toBe(true)
    const hub = await open(folder)
    expect(existsSync(paths.seal)).toBe(false)
    await hub.close()
    expect(await checkSeal(paths.database)).toBe(true)
    expect(statSync(`${paths.database}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0)
    const bytes = readFileSync(paths.database)
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    writeFileSync(paths.database, bytes)
    expect(await codeOf(checkSeal(paths.database))).toBe('verify.failed')
  })

  it('is not put on a database that was refused', async () => {
    const { root, paths, ...folder } = await usedFolder()
    const copy = join(root, 'copy')
    cpSync(folder.dir, copy, { recursive: true })
    const hub = await open(folder)
    await hub.invoke(owner, 'state.put', put)
    await hub.close()
    expect(await codeOf(open({ dir: copy, anchorPath: folder.anchorPath }))).toBe('log.rollback')
    expect(existsSync(dataPaths(copy).seal)).toBe(false)
    expect(existsSync(paths.seal)).toBe(true)
  })

  it('comes with the last checkpoint in the file beside it', async () => {
    const { paths, ...folder } = await usedFolder()
    const hub = await open(folder)
    await hub.invoke(owner, 'state.put', put)
    const size = await settle(hub)
    await hub.close()
    expect(readFileSync(paths.checkpoint, 'utf8').split('\n')[1]).toBe(`${size}`)
  })
})

describe('hubs in memory', () => {
  it('know nothing of each other', async () => {
    const [one, two] = await Promise.all([
      openTestHub('memory', { modules }),
      openTestHub('memory', { modules }),
    ])
    await one.invoke(owner, 'state.put', put)
    expect(await codeOf(two.ask(owner, 'state.get', get))).toBe('not-found')
    expect(one.log.origin).not.toBe(two.log.origin)
    expect(one.log.vkey).not.toBe(two.log.vkey)
    expect(await codeOf(two.identity.byToken(one.ownerToken))).toBe('auth.invalid')
    await one.close()
    expect(await codeOf(one.invoke(owner, 'state.put', put))).toBe('log.closed')
    expect(await two.invoke(owner, 'state.put', put)).toMatchObject({ status: 'done' })
  })

  it('begin with the log, the rules and the owner, in this order', async () => {
    const hub = await openTestHub('memory', { modules, realm: 'acme', rollout: { mode: 'log-only' } })
    const entries = await entriesOf(hub)
    expect(entries.map(({ type }) => type)).toEqual([
      'log.opened@1',
      'gate.bundle-activated@1',
      'identity.token-issued@1',
    ])
    expect(entries[0]?.data).toMatchObject({ origin: hub.log.origin, realm: 'acme', vkey: hub.log.vkey })
    const { output } = await hub.ask(owner, 'hub.status', {})
    expect(output).toMatchObject({ realm: 'acme', origin: hub.log.origin, mode: 'log-only', size: 3 })
    // What would have been denied passes, and its entry says so.
    expect(await hub.invoke({ ...owner, scopes: [] }, 'state.put', put)).toMatchObject({ status: 'done' })
    await settle(hub)
    const [decided] = await entriesOf(hub, 'action.decided@1')
    expect(decided?.data).toMatchObject({ effect: 'allow', wouldEffect: 'denied', mode: 'log-only' })
  })

  it('records other rules once, when they come into force', async () => {
    const folder = tempFolder()
    const bundles = async (mode: 'enforce' | 'log-only') => {
      const hub = await openTestHub('sqlite', { ...folder, modules, rollout: { mode } })
      const found = await entriesOf(hub, 'gate.bundle-activated@1')
      await hub.close()
      return found.map(({ data }) => data.mode)
    }
    expect(await bundles('enforce')).toEqual(['enforce'])
    expect(await bundles('enforce')).toEqual(['enforce'])
    expect(await bundles('log-only')).toEqual(['enforce', 'log-only'])
  })
})

describe('keys and the database belong together', () => {
  it.each(['log.key', 'statements.key', 'vault.key'])('another %s is refused', async (file) => {
    const one = tempFolder()
    const two = tempFolder()
    for (const { dir, anchorPath } of [one, two]) {
      const hub = await openTestHub('sqlite', { dir, anchorPath, modules: [] })
      await hub.close()
    }
    copyFileSync(join(two.dir, file), join(one.dir, file))
    rmSync(one.anchorPath)
    expect(await codeOf(openTestHub('sqlite', { ...one, modules: [] }))).toMatch(
      /^(signer[.]failed|log[.]corrupt)$/,
    )
  })

  it('keys without their database are no reason to begin a new log', async () => {
    const { dir, anchorPath } = tempFolder()
    await (await openTestHub('sqlite', { dir, anchorPath, modules: [] })).close()
    rmSync(join(dir, 'log.db'))
    expect(await codeOf(openTestHub('sqlite', { dir, anchorPath, modules: [] }))).toBe('log.rollback')
  })

  it('the database is readable by its owner only', async () => {
    const { dir, anchorPath } = tempFolder()
    const hub = await openTestHub('sqlite', { dir, anchorPath, modules: [] })
    for (const file of ['log.db', 'log.db-wal', 'log.db-shm'])
      expect(statSync(join(dir, file)).mode & 0o077).toBe(0)
    await hub.close()
  })
})
