// The archive through a hub: versions, copies that are tampered with, retention and hold against everybody, erasure, restarts.

import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import { asPolityError } from '../../src/kernel/errors.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { archiveModule } from '../../src/modules/archive/module.ts'
import type { ArchiveOptions } from '../../src/modules/archive/settings.ts'
import { codeOf, ENGINES, entriesOf, errorOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'

const YEAR_MS = 365 * 24 * 3600_000
const inYears = (years: number): string => new Date(Date.now() + years * YEAR_MS).toISOString()

interface Preserved {
  readonly scroll: string
  readonly version: number
  readonly object: string
  readonly verificationHash: string
  readonly copies: readonly string[]
  readonly missing: readonly string[]
}
interface Got extends Preserved {
  readonly title: string
  readonly content: unknown
  readonly form: string
  readonly isLost: boolean
  readonly isHeld: boolean
  readonly backupLocations: readonly { readonly copy: string; readonly state: string }[]
}

async function act<T>(hub: Hub, name: string, input: object, caller = owner): Promise<T> {
  const answer = await hub.invoke(caller, name, input)
  if (answer.status !== 'done') throw new Error(`${name}: ${answer.status}`)
  return answer.output as T
}

const preserve = (hub: Hub, input: object = {}): Promise<Preserved> =>
  act(hub, 'archive.preserve', { title: 'A scroll', content: 'in words', ...input })
const get = async (hub: Hub, input: object): Promise<Got> =>
  (await hub.ask(owner, 'archive.get', { content: true, ...input })).output as Got

/** A hub on disk whose two copies are folders that a test can reach into. */
async function openArchive(
  options: ArchiveOptions & { readonly dir?: string; readonly anchorPath?: string } = {},
) {
  const { root, ...fresh } = tempFolder()
  const dirs = [join(root, 'copy-1'), join(root, 'copy-2')]
  const place = { dir: options.dir ?? fresh.dir, anchorPath: options.anchorPath ?? fresh.anchorPath }
  const copies = options.copies ?? dirs.map((dir) => ({ kind: 'folder', dir }) as const)
  const open = () => openTestHub('sqlite', { modules: [archiveModule({ ...options, copies })], ...place })
  const fileIn = (copy: number, object: string): string => {
    const name = object.slice('sha256:'.length)
    return join(dirs[copy] ?? '', name.slice(0, 2), name.slice(2, 4), name)
  }
  return { ...place, open, hub: await open(), dirs, fileIn }
}

/** As somebody with the disk in hand would. */
function overwrite(path: string, bytes: string | Uint8Array): void {
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}

/** Waits for what the hub does by itself; the test's own limit ends a wait that is in vain. */
async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** RFC 8785 has no integers beyond 2^53 - 1, and no text that is not well-formed. */
const anyJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false, '$private'),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 8 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

const sha256 = (text: string | Uint8Array) => `sha256:${createHash('sha256').update(text).digest('hex')}`

describe.each(ENGINES)('a scroll (%s)', (engine) => {
  const open = () => openTestHub(engine, { modules: [archiveModule()] })

  it('comes back as it was: text, JSON and bytes, with the hash of the plain content', async () => {
    const hub = await open()
    const contents = [
      [{ content: 'Grüße 😀' }, 'text', sha256('Grüße 😀')],
      [{ content: { b: [1, null], a: 'x' } }, 'json', sha256('{"a":"x","b":[1,null]}')],
      [
        { content: Buffer.from([0, 255, 10]).toString('base64'), encoding: 'base64' },
        'base64',
        sha256(Buffer.from([0, 255, 10])),
      ],
      [{ content: '' }, 'text', sha256('')],
      [{ content: null }, 'json', sha256('null')],
    ] as const
    for (const [input, form, hash] of contents) {
      const { scroll, version, verificationHash, copies, missing } = await preserve(hub, input)
      expect({ version, verificationHash, copies, missing }).toEqual({
        version: 1,
        verificationHash: hash,
        copies: ['primary', 'secondary'],
        missing: [],
      })
      expect(await get(hub, { scroll })).toMatchObject({
        content: input.content,
        form,
        verificationHash: hash,
      })
    }
  })

  it('gives back whatever JSON it was given', async () => {
    const hub = await open()
    await fc.assert(
      fc.asyncProperty(anyJson, async (value) => {
        const { scroll } = await preserve(hub, { content: value })
        expect((await get(hub, { scroll })).content).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { numRuns: 15 },
    )
  })

  it('grows by versions that stay, each with its own content', async () => {
    const hub = await open()
    const first = await preserve(hub, { content: 'one', category: 'law', tags: ['a', 'b', 'a'] })
    const { scroll } = first
    await preserve(hub, { scroll, content: 'two' })
    expect(await preserve(hub, { scroll, content: 'three', ifVersion: 2 })).toMatchObject({ version: 3 })
    expect(await codeOf(preserve(hub, { scroll, content: 'x', ifVersion: 2 }))).toBe('archive.stale')
    expect(await codeOf(preserve(hub, { scroll, content: 'x', ifVersion: 0 }))).toBe('archive.stale')
    expect(await codeOf(preserve(hub, { scroll: 'unknown', content: 'x' }))).toBe('not-found')
    expect((await preserve(hub, { scroll: 'chosen', content: 'x', ifVersion: 0 })).scroll).toBe('chosen')
    const contents = [1, 2, 3].map(async (version) => (await get(hub, { scroll, version })).content)
    expect(await Promise.all(contents)).toEqual(['one', 'two', 'three'])
    expect(await get(hub, { scroll })).toMatchObject({ version: 3, content: 'three' })
    expect(await get(hub, { scroll, version: 1 })).toMatchObject({ category: 'law', tags: ['a', 'b'] })
    const { output } = await hub.ask(owner, 'archive.versions', { scroll, limit: 2 })
    expect(output).toMatchObject({ items: [{ version: 3 }, { version: 2 }], after: '2' })
    expect((await hub.ask(owner, 'archive.versions', { scroll, limit: 2, after: 2 })).output).toMatchObject({
      items: [{ version: 1 }],
    })
  })

  it('numbers the versions of concurrent writers without a gap, and lets one of them begin a scroll', async () => {
    const hub = await open()
    const begun = await Promise.allSettled(
      Array.from({ length: 6 }, (_, n) => preserve(hub, { scroll: 'shared', ifVersion: 0, content: n })),
    )
    expect(begun.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const added = await Promise.all(
      Array.from({ length: 6 }, (_, n) => preserve(hub, { scroll: 'shared', content: `more ${n}` })),
    )
    expect(added.map(({ version }) => version).toSorted()).toEqual([2, 3, 4, 5, 6, 7])
    for (const [n, { version }] of added.entries())
      expect((await get(hub, { scroll: 'shared', version })).content).toBe(`more ${n}`)
  })

  it('refuses what is too large or no base64 before anything is stored', async () => {
    const hub = await open()
    const refused = [
      [{ content: 'x'.repeat(512 * 1024 + 1) }, 'payload.too-large'],
      [{ metadata: { much: 'x'.repeat(40_000) } }, 'payload.too-large'],
      [{ content: 'no base64!', encoding: 'base64' }, 'input.invalid'],
      [{ content: { a: 1 }, encoding: 'base64' }, 'input.invalid'],
      [{ retention: { mode: 'compliance', retainUntil: '2020-01-01T00:00:00Z' } }, 'input.invalid'],
      [{ retention: { mode: 'compliance', retainUntil: '2020-99-99T00:00:00Z' } }, 'input.invalid'],
      [{ category: '../etc' }, 'input.invalid'],
      [{ scroll: 'a/b' }, 'input.invalid'],
      [{ tags: [''] }, 'input.invalid'],
      [{ content: '\ud800' }, 'entry.unicode'],
    ] as const
    for (const [input, code] of refused)
      expect(await codeOf(preserve(hub, input)), JSON.stringify(input).slice(0, 60)).toBe(code)
    expect((await hub.ask(owner, 'archive.list', {})).output).toEqual({ items: [] })
    const whole = 'x'.repeat(512 * 1024)
    const { scroll } = await preserve(hub, { content: whole })
    expect((await get(hub, { scroll })).content).toBe(whole)
  })

  it('is entered by nobody but the action that stored it', async () => {
    const hub = await open()
    const { object } = await preserve(hub)
    const forged = {
      scroll: 'forged',
      title: 'x',
      category: 'general',
      tags: [],
      metadata: {},
      mediaType: 'text/plain',
      form: 'text',
      sizeBytes: 1,
      verificationHash: sha256('x'),
      object,
      objectSizeBytes: 1,
      key: Buffer.alloc(32).toString('base64'),
      run: '0'.repeat(36).replace(/^(.{8}).(.{4}).(.{4}).(.{4})./, '$1-$2-$3-$4-'),
      copies: ['primary'],
      missing: [],
      isHeld: false,
      ifVersion: 0,
      signature: `${'A'.repeat(86)}==`,
    }
    expect(await codeOf(hub.invoke(owner, 'archive.enter', forged))).toBe('archive.unsigned')
  })

  it('says nothing of its content in the log: title, metadata, hash, key and words are commitments', async () => {
    const hub = await open()
    await preserve(hub, {
      title: 'Very private title',
      content: 'secretword',
      metadata: { patient: 'Somebody Name' },
    })
    const log = JSON.stringify(await entriesOf(hub))
    for (const word of ['private title', 'secretword', 'Somebody Name', sha256('secretword')])
      expect(log).not.toContain(word)
  })

  it('lists scrolls in pages, and is not for people without a rule that lets them', async () => {
    const hub = await open()
    const made: string[] = []
    for (let n = 0; n < 5; n++) made.unshift((await preserve(hub, { title: `t${n}` })).scroll)
    const seen: string[] = []
    let after: string | undefined
    do {
      const { output } = await hub.ask(owner, 'archive.list', { limit: 2, ...(after ? { after } : {}) })
      const page = output as { items: { scroll: string }[]; after?: string }
      seen.push(...page.items.map(({ scroll }) => scroll))
      after = page.after
    } while (after !== undefined)
    expect(seen).toEqual(made)
    for (const name of ['archive.list', 'archive.search'])
      expect(await codeOf(hub.ask(somebody, name, {}))).toBe('denied')
    expect((await hub.invoke(somebody, 'archive.preserve', { title: 'x', content: 'x' })).status).toBe(
      'denied',
    )
  })
})

describe.each(ENGINES)('what keeps a scroll (%s)', (engine) => {
  const open = () => openTestHub(engine, { modules: [archiveModule()] })
  const compliance = () => ({ mode: 'compliance', retainUntil: inYears(2) }) as const
  const governance = () => ({ mode: 'governance', retainUntil: inYears(2) }) as const

  it('compliance retention: not even the owner deletes, shortens or bypasses it', async () => {
    const hub = await open()
    const { scroll } = await preserve(hub, { retention: compliance() })
    const version = 1
    const attempts: readonly [string, object][] = [
      ['archive.delete', { scroll, version }],
      ['archive.retain', { scroll, mode: 'compliance', retainUntil: inYears(1) }],
      ['archive.retain', { scroll, mode: 'governance', retainUntil: inYears(9) }],
      ['archive.bypass', { scroll }],
      ['archive.bypass', { scroll, retainUntil: inYears(1) }],
    ]
    for (const [name, input] of attempts)
      expect(await codeOf(hub.invoke(owner, name, input)), name).toBe('archive.retained')
    await act(hub, 'archive.retain', { scroll, mode: 'compliance', retainUntil: inYears(3) })
    expect(await codeOf(hub.invoke(owner, 'archive.retain', { scroll, ...compliance() }))).toBe(
      'archive.retained',
    )
    expect(await get(hub, { scroll })).toMatchObject({ content: 'in words' })
  })

  it('governance retention: extended by whoever may, cut short by a critical act alone', async () => {
    const hub = await open()
    const { scroll } = await preserve(hub, { retention: governance() })
    expect(await codeOf(hub.invoke(owner, 'archive.delete', { scroll, version: 1 }))).toBe('archive.retained')
    expect(
      await codeOf(act(hub, 'archive.retain', { scroll, mode: 'governance', retainUntil: inYears(1) })),
    ).toBe('archive.retained')
    const helper: Caller = { chain: [OWNER, { kind: 'agent', id: 'helper', roles: [] }] }
    for (const caller of [somebody, helper])
      expect((await hub.invoke(caller, 'archive.bypass', { scroll })).status).toBe('denied')
    await act(hub, 'archive.bypass', { scroll, retainUntil: inYears(1) })
    expect(await codeOf(hub.invoke(owner, 'archive.delete', { scroll, version: 1 }))).toBe('archive.retained')
    await act(hub, 'archive.bypass', { scroll })
    expect(await act(hub, 'archive.delete', { scroll, version: 1 })).toEqual({ scroll, version: 1 })
    expect(await codeOf(get(hub, { scroll }))).toBe('not-found')
    expect(await codeOf(hub.invoke(owner, 'archive.delete', { scroll, version: 1 }))).toBe('not-found')
  })

  it('a legal hold on its subject wins over deletion too', async () => {
    const hub = await open()
    const { scroll } = await preserve(hub)
    await act(hub, 'hold.place', { name: 'case-8', reason: 'a lawsuit', subject: `scroll/${scroll}` })
    expect(await codeOf(hub.invoke(owner, 'archive.delete', { scroll, version: 1 }))).toBe('hold.active')
    expect(await get(hub, { scroll })).toMatchObject({ version: 1 })
    await act(hub, 'hold.release', { name: 'case-8', reason: 'settled' })
    await act(hub, 'archive.delete', { scroll, version: 1 })
    expect(await codeOf(get(hub, { scroll }))).toBe('not-found')
  })

  it('a hold wins over deletion and erasure until it is released, and is per version', async () => {
    const hub = await open()
    const { scroll } = await preserve(hub, { hold: true })
    await preserve(hub, { scroll, content: 'two' })
    await act(hub, 'archive.hold', { scroll, version: 1 })
    expect(await codeOf(hub.invoke(owner, 'archive.delete', { scroll, version: 1 }))).toBe('archive.held')
    const erase = () => hub.invoke(owner, 'vault.erase', { subject: `scroll/${scroll}` })
    await expect(erase()).rejects.toMatchObject({ code: 'hold.active', facts: { reason: 'archive.held' } })
    expect(await get(hub, { scroll, version: 1 })).toMatchObject({ isHeld: true })
    await act(hub, 'archive.delete', { scroll, version: 2 })
    expect(await get(hub, { scroll })).toMatchObject({ version: 1, isHeld: true })
    await act(hub, 'archive.release', { scroll })
    await act(hub, 'vault.erase', { subject: 'scroll/unknown' })
    await act(hub, 'archive.retain', { scroll, mode: 'governance', retainUntil: inYears(1) })
    await expect(erase()).rejects.toMatchObject({
      code: 'hold.active',
      facts: { reason: 'archive.retained' },
    })
    await act(hub, 'archive.bypass', { scroll })
    await act(hub, 'archive.delete', { scroll, version: 1 })
    expect((await hub.ask(owner, 'archive.versions', { scroll })).output).toEqual({ items: [] })
    expect(await preserve(hub, { scroll, content: 'three' })).toMatchObject({ version: 3 })
  })

  it('is not there for what does not exist', async () => {
    const hub = await open()
    for (const name of ['archive.hold', 'archive.release', 'archive.bypass'])
      expect(await codeOf(hub.invoke(owner, name, { scroll: 'unknown' })), name).toBe('not-found')
    expect(await codeOf(hub.invoke(owner, 'archive.forget', { scroll: 'unknown' }))).toBe('not-found')
  })
})

describe('copies of a scroll', () => {
  it('are the same file in every place, compressed and unreadable without the hub', async () => {
    const { hub, fileIn } = await openArchive()
    const content = 'again and again '.repeat(2000)
    const { object } = await preserve(hub, { content })
    const [one, two] = [readFileSync(fileIn(0, object)), readFileSync(fileIn(1, object))]
    expect(sha256(one)).toBe(object)
    expect(one.equals(two)).toBe(true)
    expect(one.length).toBeLessThan(1000)
    expect(one.includes('again')).toBe(false)
  })

  it('are found out when one is replaced, deleted or bent, repaired from a good one, and never believed', async () => {
    const { hub, fileIn } = await openArchive()
    const harms: Record<string, (path: string) => void> = {
      corrupt: (path) => overwrite(path, 'something else'),
      absent: (path) => rmSync(path),
    }
    for (const [problem, harm] of Object.entries(harms)) {
      const { scroll, object } = await preserve(hub, { content: `harmed: ${problem}` })
      harm(fileIn(0, object))
      expect((await get(hub, { scroll })).content).toBe(`harmed: ${problem}`)
      const found = await act(hub, 'archive.scrub', { scroll })
      expect(found).toEqual({ versions: 1, damaged: 1, repaired: 1, lost: 0, unreachable: [] })
      expect(sha256(readFileSync(fileIn(0, object)))).toBe(object)
      const facts = { scroll, version: 1, object, copy: 'primary' }
      expect((await entriesOf(hub, 'archive.copy-damaged@1')).at(-1)?.data).toEqual({ ...facts, problem })
      expect((await entriesOf(hub, 'archive.copy-repaired@1')).at(-1)?.data).toEqual(facts)
      expect((await get(hub, { scroll })).backupLocations.map(({ state }) => state)).toEqual(['good', 'good'])
    }
    expect(await act(hub, 'archive.scrub', {})).toMatchObject({ versions: 2, damaged: 0 })
  })

  it('that are all replaced mean a lost scroll: recorded once, an alert, never served, and well again when one is restored', async () => {
    const { hub, fileIn } = await openArchive()
    const { scroll, object } = await preserve(hub)
    const whole = readFileSync(fileIn(0, object))
    overwrite(fileIn(0, object), 'forged one')
    overwrite(fileIn(1, object), 'forged two')
    expect(await codeOf(get(hub, { scroll }))).toBe('archive.lost')
    for (let round = 0; round < 2; round++)
      expect(await act(hub, 'archive.scrub', { scroll })).toMatchObject({ damaged: 2, repaired: 0, lost: 1 })
    expect(await entriesOf(hub, 'archive.scroll-lost@1')).toHaveLength(1)
    expect(await entriesOf(hub, 'archive.copy-damaged@1')).toHaveLength(2)
    expect(await get(hub, { scroll, content: false })).toMatchObject({ isLost: true })
    const [lost] = await entriesOf(hub, 'archive.scroll-lost@1')
    await eventually(() => isThere(hub, `alert-${lost?.id}`))
    expect(await get(hub, { scroll: `alert-${lost?.id}` })).toMatchObject({ category: 'security-alert' })
    overwrite(fileIn(1, object), whole)
    expect((await get(hub, { scroll })).content).toBe('in words')
    expect(await act(hub, 'archive.scrub', { scroll })).toMatchObject({ damaged: 1, repaired: 1, lost: 0 })
    expect(await get(hub, { scroll })).toMatchObject({ isLost: false })
  })

  it('that cannot take it are named and filled later; without any there is no scroll', async () => {
    const { hub, dirs, fileIn } = await openArchive()
    writeFileSync(dirs[1] ?? '', 'a file where the folder belongs')
    const { scroll, copies, missing, object } = await preserve(hub)
    expect({ copies, missing }).toEqual({ copies: ['primary'], missing: ['secondary'] })
    rmSync(dirs[1] ?? '')
    expect(await act(hub, 'archive.scrub', {})).toMatchObject({ damaged: 1, repaired: 1 })
    expect(sha256(readFileSync(fileIn(1, object)))).toBe(object)
    for (const dir of dirs) {
      rmSync(dir, { recursive: true })
      writeFileSync(dir, '')
    }
    expect(await codeOf(preserve(hub))).toBe('archive.no-copy')
    expect((await hub.ask(owner, 'archive.list', {})).output).toMatchObject({ items: [{ scroll }] })
  })

  it('leave nothing behind of what was refused, and lose what is deleted', async () => {
    const { hub, dirs, fileIn } = await openArchive()
    const { scroll, object } = await preserve(hub)
    const files = () =>
      dirs
        .flatMap((dir) => readdirSync(dir, { recursive: true, withFileTypes: true }))
        .filter((each) => each.isFile()).length
    expect(files()).toBe(2)
    expect(await codeOf(preserve(hub, { scroll, ifVersion: 7 }))).toBe('archive.stale')
    expect(files()).toBe(2)
    // All of them store before one of them is entered.
    const racing = Array.from({ length: 8 }, (_, n) =>
      codeOf(preserve(hub, { scroll, ifVersion: 1, content: n, hold: true })),
    )
    const refused = (await Promise.all(racing)).filter((code) => code === 'archive.stale')
    expect(refused).toHaveLength(7)
    // Each version and, for the one that is held, its lock beside it.
    expect(files()).toBe(2 + 4)
    await act(hub, 'archive.release', { scroll })
    await act(hub, 'archive.delete', { scroll, version: 2 })
    await act(hub, 'archive.delete', { scroll, version: 1 })
    await eventually(() => files() === 0)
    expect(existsSync(fileIn(0, object))).toBe(false)
  })

  it('follow holds and retention, so that a copy protects by itself', async () => {
    const { hub, fileIn } = await openArchive()
    const { scroll, object } = await preserve(hub)
    const locks = () =>
      [0, 1].map((copy) => {
        const path = `${fileIn(copy, object)}.lock`
        return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as object) : undefined
      })
    await act(hub, 'archive.hold', { scroll })
    await eventually(() => locks().every((lock) => JSON.stringify(lock) === '{"isHeld":true}'))
    const retainUntil = inYears(1)
    await act(hub, 'archive.retain', { scroll, mode: 'governance', retainUntil })
    await act(hub, 'archive.release', { scroll })
    await eventually(() => JSON.stringify(locks()).includes('"isHeld":false'))
    await eventually(() => locks().every((lock) => JSON.stringify(lock).includes(retainUntil)))
    await act(hub, 'archive.bypass', { scroll })
    await eventually(() => locks().every((lock) => !JSON.stringify(lock).includes('retention')))
  })
})

const isThere = async (hub: Hub, scroll: string): Promise<boolean> =>
  await hub.ask(owner, 'archive.get', { scroll }).then(
    () => true,
    (error: unknown) => {
      if (asPolityError(error).code === 'not-found') return false
      throw error
    },
  )

describe('an erased scroll', () => {
  it('is unreadable in every copy for ever, gone from the search and from the runs that stored it, while all proofs hold', async () => {
    const { hub, dir, anchorPath } = await openArchive()
    const answer = await hub.invoke(owner, 'archive.preserve', {
      content: 'erasable words',
      title: 'Title of erasure',
    })
    if (answer.status !== 'done' || answer.run === undefined) throw new Error(answer.status)
    const { scroll } = answer.output as Preserved
    expect(await hub.run(owner, answer.run)).toMatchObject({
      output: { verificationHash: sha256('erasable words') },
    })
    const found = async () =>
      ((await hub.ask(owner, 'archive.search', { q: 'erasable' })).output as { items: unknown[] }).items
        .length
    expect(await found()).toBe(1)
    await act(hub, 'vault.erase', { subject: `scroll/${scroll}` })
    expect(await codeOf(get(hub, { scroll }))).toBe('erased')
    expect(await codeOf(get(hub, { scroll, content: false }))).toBe('erased')
    expect(await found()).toBe(0)
    expect((await hub.ask(owner, 'archive.list', {})).output).toMatchObject({
      items: [{ isErased: true, title: '' }],
    })
    const forgotten = async () =>
      (await entriesOf(hub, 'action.finished@1')).some(({ data }) => data.action === 'archive.forget@1')
    await eventually(forgotten)
    expect(await hub.run(owner, answer.run)).toMatchObject({
      output: { scroll, verificationHash: { $erased: expect.any(String) } },
    })
    await hub.close()
    // Nothing on the disk holds the words any more, in whatever form the index or the vault kept them.
    for (const file of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      const bytes = readFileSync(join(file.parentPath, file.name))
      expect(bytes.includes('erasable'), file.name).toBe(false)
    }
    const again = await openTestHub('sqlite', { modules: [archiveModule()], dir, anchorPath })
    expect(await codeOf(get(again, { scroll }))).toBe('erased')
  })
})

describe('a run that stored an erased scroll', () => {
  it('keeps what it holds while a legal hold stands on it, and forgets it once asked again', async () => {
    const hub = await openTestHub('memory', { modules: [archiveModule()] })
    const answer = await hub.invoke(owner, 'archive.preserve', { title: 't', content: 'c' })
    if (answer.status !== 'done') throw new Error(answer.status)
    const { scroll } = answer.output as Preserved
    expect(await codeOf(hub.invoke(owner, 'archive.forget', { scroll }))).toBe('not-found')
    const reason = 'case 7'
    await act(hub, 'hold.place', { name: 'case-7', subject: `run/${answer.run}`, reason })
    await act(hub, 'vault.erase', { subject: `scroll/${scroll}` })
    expect(await codeOf(hub.invoke(owner, 'archive.forget', { scroll }))).toBe('hold.active')
    await act(hub, 'hold.release', { name: 'case-7', reason })
    const { payloads } = await act<{ payloads: number }>(hub, 'archive.forget', { scroll })
    expect(payloads).toBeGreaterThan(0)
    expect(await act(hub, 'archive.forget', { scroll })).toEqual({ payloads: 0 })
  })
})

describe('the archive after a restart', () => {
  it('has everything: scrolls, locks, the index, and what was asked of its copies meanwhile', async () => {
    const { hub, open, fileIn } = await openArchive()
    const { scroll, object } = await preserve(hub, { content: 'durable words', hold: true })
    await hub.close()
    overwrite(fileIn(0, object), 'replaced while nobody looked')
    const again = await open()
    expect(await get(again, { scroll })).toMatchObject({ content: 'durable words', isHeld: true })
    expect(await codeOf(again.invoke(owner, 'archive.delete', { scroll, version: 1 }))).toBe('archive.held')
    const { output } = await again.ask(owner, 'archive.search', { q: 'durable' })
    expect(output).toMatchObject({ items: [{ scroll }], isBehind: false })
    expect(await act(again, 'archive.scrub', {})).toMatchObject({ damaged: 1, repaired: 1 })
    onTestFinished(() => again.close())
  })

  it('answers the same question with the same answer', async () => {
    const { hub } = await openArchive()
    const input = { title: 'once', content: 'once' }
    const answers = await Promise.all(
      [1, 2].map(() => hub.invoke(owner, 'archive.preserve', input, { key: 'k' })),
    )
    expect(answers[0]).toMatchObject({ status: 'done' })
    expect(answers.map((answer) => (answer.status === 'done' ? answer.output : null))[1]).toEqual(
      answers[0]?.status === 'done' ? answers[0].output : undefined,
    )
    expect(
      (await errorOf(hub.invoke(owner, 'archive.preserve', { ...input, title: 'x' }, { key: 'k' }))).code,
    ).toBe('idempotency.conflict')
  })
})
