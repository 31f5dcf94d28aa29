// Shared state: versions as entity tags, namespaces that only look alike, pages, sizes, and values that are no references.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { PRIVATE_SIZE_MAX_BYTES } from '../../src/kernel/schema/privacy.ts'
import { state } from '../../src/modules/state/module.ts'
import { codeOf, ENGINES, entriesOf, errorOf, openTestHub, owner, settle } from './lab/hubs.ts'

const modules = [state]

async function put(hub: Hub, input: object): Promise<Record<string, unknown>> {
  const answer = await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: null, ...input })
  if (answer.status !== 'done') throw new Error(answer.status)
  return answer.output as Record<string, unknown>
}

const get = async (hub: Hub, input: object = {}) =>
  (await hub.ask(owner, 'state.get', { namespace: 'n', key: 'k', ...input })).output

async function listAll(hub: Hub, namespace: string, limit?: number): Promise<string[]> {
  const keys: string[] = []
  let after: string | undefined
  do {
    const { output } = await hub.ask(owner, 'state.list', {
      namespace,
      ...(limit === undefined ? {} : { limit }),
      ...(after === undefined ? {} : { after }),
    })
    const page = output as { items: { key: string; namespace: string }[]; after?: string }
    if (limit !== undefined) expect(page.items.length).toBeLessThanOrEqual(limit)
    for (const item of page.items) expect(item.namespace).toBe(namespace)
    keys.push(...page.items.map(({ key }) => key))
    after = page.after
  } while (after !== undefined)
  return keys
}

describe.each(ENGINES)('a document (%s)', (engine) => {
  it('counts its writes, and is written only by whoever saw the last', async () => {
    const hub = await openTestHub(engine, { modules })
    expect(await codeOf(get(hub))).toBe('not-found')
    expect(await codeOf(put(hub, { ifVersion: 1 }))).toBe('state.stale')
    expect(await put(hub, { value: { a: [1, 'x', null, true] }, ifVersion: 0 })).toEqual({
      namespace: 'n',
      key: 'k',
      version: 1,
      value: { a: [1, 'x', null, true] },
    })
    expect(await errorOf(put(hub, { ifVersion: 0 }))).toMatchObject({
      code: 'state.stale',
      facts: { version: 1 },
    })
    expect(await put(hub, { value: 'two', ifVersion: 1 })).toMatchObject({ version: 2 })
    expect(await put(hub, { value: 'three' })).toMatchObject({ version: 3 })
    expect(await get(hub)).toEqual({ namespace: 'n', key: 'k', version: 3, value: 'three' })
    for (const ifVersion of [-1, 1.5, '3', null, Number.MAX_SAFE_INTEGER + 1])
      expect(await codeOf(put(hub, { ifVersion }))).toBe('input.invalid')
  })

  it('lies in its own namespace, whatever others are called', async () => {
    const hub = await openTestHub(engine, { modules })
    for (const namespace of ['a', 'a.b', 'a-b', 'a_b', 'A', 'ab', 'a0'])
      for (const key of ['k', 'b/k', '.b/k']) await put(hub, { namespace, key, value: namespace })
    for (const namespace of ['a', 'a.b', 'A', 'ab'])
      expect(await listAll(hub, namespace)).toEqual(['.b/k', 'b/k', 'k'])
    expect(await listAll(hub, 'nobody')).toEqual([])
    expect(await get(hub, { namespace: 'a', key: '.b/k' })).toMatchObject({ value: 'a' })
    for (const namespace of ['', '.a', 'a/b', '../a', 'a b', 'é', 'x'.repeat(129), 1])
      expect(await codeOf(put(hub, { namespace }))).toBe('input.invalid')
  })

  it('may have any printable key, and no two of them are taken for one another', async () => {
    const hub = await openTestHub(engine, { modules })
    const keys = [
      'é',
      'e\u0301',
      '😀',
      '\uffff',
      '\u{10ffff}',
      'K',
      'k',
      '\u212a',
      ' ',
      '%',
      '_',
      '*',
      "'",
      '"',
      '\\',
      '$private',
      '__proto__',
      '€'.repeat(256),
    ]
    for (const key of keys) await put(hub, { key, value: key })
    for (const key of keys) expect(await get(hub, { key })).toMatchObject({ key, version: 1, value: key })
    const byBytes = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(await listAll(hub, 'n')).toEqual(byBytes)
    expect(await listAll(hub, 'n', 1)).toEqual(byBytes)
    for (const key of ['', 'a\nb', 'a\0', '\u007f', 'x'.repeat(257)])
      expect(await codeOf(put(hub, { key }))).toBe('input.invalid')
  })

  it('is listed in pages that leave nothing out', async () => {
    const hub = await openTestHub(engine, { modules })
    const keys = Array.from({ length: 23 }, (_, index) => `k${String(index).padStart(2, '0')}`)
    await Promise.all(keys.map((key) => put(hub, { key })))
    for (const limit of [1, 5, 22, 23, 24, 1000])
      expect(await listAll(hub, 'n', limit), `${limit}`).toEqual(keys)
    for (const limit of [0, 1001, 1.5]) expect(await codeOf(listAll(hub, 'n', limit))).toBe('input.invalid')
  })

  it('holds up to a mebibyte', async () => {
    const hub = await openTestHub(engine, { modules })
    const value = 'x'.repeat(PRIVATE_SIZE_MAX_BYTES - 2)
    expect(await put(hub, { value })).toMatchObject({ version: 1 })
    expect(await get(hub)).toMatchObject({ value })
    const before = await settle(hub)
    expect(await codeOf(put(hub, { value: `${value}x` }))).toBe('payload.too-large')
    expect(await codeOf(put(hub, { value: '€'.repeat(PRIVATE_SIZE_MAX_BYTES / 2) }))).toBe(
      'payload.too-large',
    )
    expect(await settle(hub)).toBe(before)
  })

  it('cannot be made to show what belongs to another', async () => {
    const hub = await openTestHub(engine, { modules })
    await put(hub, { key: 'secret', value: 'of somebody else' })
    await settle(hub)
    const [written] = await entriesOf(hub, 'state.document-written@1')
    const reference = written?.data.value as { readonly $private: string }
    const $private = reference.$private
    expect($private).toMatch(/^[0-9a-f]{64}$/)
    for (const value of [{ $private }, [{ $private }], { $erased: $private }]) {
      await put(hub, { key: 'mine', value })
      // A value is a value: what looks like a reference in it stays text.
      expect(await get(hub, { key: 'mine' })).toMatchObject({ value })
    }
    expect(
      await codeOf(hub.invoke(owner, 'state.put', { namespace: { $private }, key: 'k', value: 1 })),
    ).toBe('input.invalid')
    expect(
      await codeOf(hub.invoke(owner, 'state.put', { $private, namespace: 'n', key: 'k', value: 1 })),
    ).toBe('input.invalid')
  })
})
