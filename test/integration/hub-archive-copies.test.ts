// Copies in S3 behind a hub, outages included; and what the archive does by itself when something is wrong.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { defineModule } from '../../src/kernel/catalog/module.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { archiveModule } from '../../src/modules/archive/module.ts'
import * as contract from './hub-archive-alarm.contract.ts'
import { codeOf, entriesOf, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'
import { BUCKET, CREDENTIALS, openS3StandIn, REGION } from './s3-stand-in.ts'

const inYears = (years: number): string => new Date(Date.now() + years * 365 * 24 * 3600_000).toISOString()

async function act<T>(hub: Hub, name: string, input: object): Promise<T> {
  const answer = await hub.invoke(owner, name, input)
  if (answer.status !== 'done') throw new Error(`${name}: ${answer.status}`)
  return answer.output as T
}

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** A folder and a bucket. */
async function openArchive() {
  const s3 = await openS3StandIn()
  onTestFinished(() => s3.close())
  const { root, dir, anchorPath } = tempFolder()
  const folder = join(root, 'copy')
  const failures: PolityError[] = []
  const bucket = { kind: 's3', endpoint: s3.endpoint, region: REGION, bucket: BUCKET, prefix: 'p/' } as const
  const module = archiveModule({
    copies: [{ kind: 'folder', dir: folder }, bucket],
    credentials: CREDENTIALS,
  })
  const open = () =>
    openTestHub('sqlite', { modules: [module], dir, anchorPath, onFailure: (error) => failures.push(error) })
  const keyOf = (object: string) => {
    const name = object.slice('sha256:'.length)
    return `p/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}`
  }
  return { s3, open, hub: await open(), folder, failures, keyOf }
}

interface Preserved {
  readonly scroll: string
  readonly object: string
  readonly copies: readonly string[]
  readonly missing: readonly string[]
}
const preserve = (hub: Hub, input: object = {}) =>
  act<Preserved>(hub, 'archive.preserve', { title: 't', content: 'c', ...input })

describe('a copy in S3', () => {
  it('is locked by the request that stores it, and follows what is decided later', async () => {
    const { hub, s3, keyOf } = await openArchive()
    const retainUntil = inYears(1)
    const { scroll, object } = await preserve(hub, {
      retention: { mode: 'governance', retainUntil },
      hold: true,
    })
    const version = () => s3.objects.get(keyOf(object))?.at(-1)
    expect(version()).toMatchObject({ mode: 'GOVERNANCE', retainUntil, isHeld: true })
    await act(hub, 'archive.release', { scroll })
    await eventually(() => version()?.isHeld === false)
    const later = inYears(2)
    await act(hub, 'archive.retain', { scroll, mode: 'compliance', retainUntil: later })
    await eventually(() => version()?.mode === 'COMPLIANCE')
    expect(version()?.retainUntil).toBe(later)
    expect(await codeOf(hub.invoke(owner, 'archive.delete', { scroll, version: 1 }))).toBe('archive.retained')
    const { scroll: free, object: other } = await preserve(hub, { content: 'free' })
    await act(hub, 'archive.delete', { scroll: free, version: 1 })
    await eventually(() => !s3.objects.has(keyOf(other)))
  })

  it('that is down loses nothing: the other takes it, and a scrub brings it up to date', async () => {
    const { hub, s3, keyOf } = await openArchive()
    s3.lie('busy')
    const { scroll, object, copies, missing } = await preserve(hub, { hold: true })
    expect({ copies, missing }).toEqual({ copies: ['primary'], missing: ['secondary'] })
    expect(await act(hub, 'archive.scrub', {})).toMatchObject({ damaged: 0, unreachable: ['secondary'] })
    expect((await hub.ask(owner, 'archive.get', { scroll, content: true })).output).toMatchObject({
      content: 'c',
    })
    s3.lie(undefined)
    expect(await act(hub, 'archive.scrub', {})).toMatchObject({ damaged: 1, repaired: 1, unreachable: [] })
    expect(s3.objects.get(keyOf(object))?.at(-1)).toMatchObject({ isHeld: true })
  })

  it('that lies is not believed, and is put right', async () => {
    const { hub, s3, keyOf, folder } = await openArchive()
    const { scroll, object } = await preserve(hub)
    const [version] = s3.objects.get(keyOf(object)) ?? []
    if (version) version.bytes = Buffer.from('other bytes')
    expect(await act(hub, 'archive.scrub', { scroll })).toMatchObject({ damaged: 1, repaired: 1 })
    expect(s3.objects.get(keyOf(object))).toHaveLength(2)
    expect(existsSync(folder)).toBe(true)
  })

  it('that misses a hold while it is down is told when it is back, also by the next hub, and is complained of meanwhile', async () => {
    const { hub, s3, keyOf, open, failures } = await openArchive()
    const { scroll, object } = await preserve(hub)
    s3.lie('busy')
    await act(hub, 'archive.hold', { scroll })
    await eventually(() => failures.length > 0)
    expect(failures[0]?.message).toContain('copy-')
    expect(JSON.stringify(failures)).not.toContain(CREDENTIALS.secretAccessKey)
    await hub.close()
    s3.lie(undefined)
    await open()
    await eventually(() => s3.objects.get(keyOf(object))?.at(-1)?.isHeld === true)
  })

  it('that never answers does not keep a hub from stopping; the next hub stores the scroll, once', async () => {
    const { hub, s3, open } = await openArchive()
    s3.lie('hang')
    const begun = s3.seen.length
    const input = { scroll: 'one', ifVersion: 0, title: 't', content: 'c' }
    const answer = await hub.invoke(owner, 'archive.preserve', input, { wait: false })
    expect(answer.status).toBe('running')
    await eventually(() => s3.seen.length > begun)
    await hub.close()
    s3.lie(undefined)
    const next = await open()
    const got = () => next.ask(owner, 'archive.get', { scroll: 'one', content: true })
    await eventually(async () => (await codeOf(got())) !== 'not-found')
    expect((await got()).output).toMatchObject({
      version: 1,
      content: 'c',
      backupLocations: [{ state: 'good' }, { state: 'good' }],
    })
    expect(s3.objects.size).toBe(1)
    expect(await entriesOf(next, 'archive.version-preserved@1')).toHaveLength(1)
  })

  it('that keeps what should be gone is found out', async () => {
    const { hub, s3, keyOf } = await openArchive()
    const { scroll, object } = await preserve(hub)
    const [version] = s3.objects.get(keyOf(object)) ?? []
    // Somebody locked it in the bucket itself.
    if (version) Object.assign(version, { mode: 'COMPLIANCE', retainUntil: inYears(5) })
    await act(hub, 'archive.delete', { scroll, version: 1 })
    await eventually(async () => (await entriesOf(hub, 'archive.copy-damaged@1')).length > 0)
    expect((await entriesOf(hub, 'archive.copy-damaged@1'))[0]?.data).toMatchObject({
      scroll,
      copy: 'secondary',
      problem: 'undeletable',
    })
    await act(hub, 'archive.scrub', {})
    expect(await entriesOf(hub, 'archive.copy-damaged@1')).toHaveLength(1)
  })

  it('needs keys', async () => {
    const bucket = {
      kind: 's3',
      endpoint: 'http://127.0.0.1:1',
      region: 'r',
      bucket: 'bbb',
      prefix: '',
    } as const
    expect(await codeOf(openTestHub('memory', { modules: [archiveModule({ copies: [bucket] })] }))).toBe(
      'usage',
    )
  })
})

describe('a security alert', () => {
  const alarm = defineModule(
    'alarm',
    { url: new URL('./hub-archive-alarm.contract.ts', import.meta.url).href, exports: contract },
    {
      commands: [
        contract.raise.handle((ctx, { kind }) => {
          ctx.record(contract.AlertRaised({ log: 'example.com/log', kind, detail: 'two roots of one size' }))
          return {}
        }),
      ],
    },
  )

  it('writes its own scroll, once, whoever repeats the telling of it', async () => {
    const { dir, anchorPath } = tempFolder()
    const open = () => openTestHub('sqlite', { modules: [archiveModule(), alarm], dir, anchorPath })
    const hub = await open()
    await act(hub, 'lab.raise', { kind: 'fork' })
    await act(hub, 'lab.raise', { kind: 'rollback' })
    const alerts = async (at: Hub) => {
      const { output } = await at.ask(owner, 'archive.search', { category: 'security-alert' })
      return (output as { items: { scroll: string; title: string; version: number }[] }).items
    }
    await eventually(async () => (await alerts(hub)).length === 2)
    const entries = await entriesOf(hub, 'log.alert-raised@1')
    expect((await alerts(hub)).map(({ scroll }) => scroll)).toEqual(
      entries.map(({ id }) => `alert-${id}`).toReversed(),
    )
    // As a feed does after a crash: the same alert again, with the key and without it.
    const [{ id = '', type = '', time = '', source = '', data = {} } = {}] = entries
    const again = {
      scroll: `alert-${id}`,
      ifVersion: 0,
      title: 'Security alert: fork',
      content: { id, type, time, source, data },
    }
    expect(await codeOf(hub.invoke(owner, 'archive.preserve', again))).toBe('archive.stale')
    await hub.close()
    const next = await open()
    await settle(next)
    const { output } = await next.ask(owner, 'archive.get', { scroll: `alert-${id}`, content: true })
    expect(output).toMatchObject({
      version: 1,
      title: 'Security alert: fork',
      content: { id, data: { kind: 'fork', detail: 'two roots of one size' } },
    })
    expect(await alerts(next)).toHaveLength(2)
  })
})
