import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { command } from '../../kernel/catalog/definition.ts'
import { Type } from '../../kernel/schema/schema.ts'
import { state } from '../../modules/state/module.ts'
import { serve } from './fixtures/served.ts'
import { resourcePathOf } from './resources.ts'

const K = '/v1/state/ns/k'

describe('a resource', () => {
  it('is put, read and listed where its definitions say', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const written = await served.owner(K, { method: 'PUT', body: { value: { a: 1 } } })
    const document = { namespace: 'ns', key: 'k', version: 1, value: { a: 1 } }
    expect([written.status, written.json]).toEqual([200, document])
    expect(written.headers).toMatchObject({
      etag: '"1"',
      'polity-cursor': expect.any(String),
      'polity-decision': expect.any(String),
    })
    expect((await served.owner(K)).json).toEqual(document)
    expect((await served.owner('/v1/state/ns')).json).toEqual({ items: [document] })
  })

  it('is a list of runs, too', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.owner('/v1/runs?status=parked')).json).toEqual({ items: [] })
  })

  it('is written over only as the version that the caller saw', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const put = (value: number, headers: Record<string, string>) =>
      served.owner(K, { method: 'PUT', headers, body: { value } })
    expect((await put(1, { 'if-none-match': '*' })).status).toBe(200)
    expect((await put(2, { 'if-none-match': '*' })).json).toMatchObject({
      code: 'state.stale',
      status: 412,
      version: 1,
    })
    expect((await put(2, { 'if-match': '"1"' })).headers.etag).toBe('"2"')
    expect((await put(3, { 'if-match': '"1"' })).json).toMatchObject({
      code: 'state.stale',
      status: 412,
      version: 2,
    })
    for (const tag of ['2', '"2', 'W/"2"', '"1", "2"', '*', '"x"'])
      expect((await put(3, { 'if-match': tag })).json).toMatchObject({ code: 'input.invalid', status: 400 })
    expect((await served.owner(K)).json).toMatchObject({ version: 2, value: 2 })
  })

  it('lets one of many writers with the same tag through', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.put('k')
    const headers = { 'if-match': '"1"' }
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, value) => served.owner(K, { method: 'PUT', headers, body: { value } })),
    )
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(412)])
  })

  it('takes the remaining fields and nothing else', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const put = (body: unknown) => served.owner(K, { method: 'PUT', body })
    expect((await put({ value: 1, key: 'k' })).json).toMatchObject({
      code: 'input.invalid',
      detail: expect.stringContaining('in the path already'),
    })
    expect((await put({ value: 1, colour: 'red' })).json).toMatchObject({
      violations: [{ pointer: '/colour' }],
    })
    expect((await put({})).json).toMatchObject({ code: 'input.invalid' })
    expect((await put([])).json).toMatchObject({ code: 'input.invalid' })
    const both = await served.owner(K, {
      method: 'PUT',
      headers: { 'if-match': '"1"' },
      body: { value: 1, ifVersion: 2 },
    })
    expect(both.json).toMatchObject({ code: 'input.invalid', detail: expect.stringContaining('contradict') })
    expect((await served.owner(`${K}?key=other`)).json).toMatchObject({ code: 'input.invalid' })
  })

  it('has any name that its schema allows, percent-encoded', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const unit = fc.constantFrom(...'aZ09./\\%?#&=+ "\'<>{}[]:;@é日🙂\u2028\u00a0\ufeff')
    const keys = fc.string({ unit, minLength: 1, maxLength: 64 })
    await fc.assert(
      fc.asyncProperty(keys, async (key) => {
        const written = await served.put(key, key)
        expect([written.status, written.json]).toMatchObject([200, { key, value: key }])
        expect((await served.owner(`/v1/state/ns/${encodeURIComponent(key)}`)).json).toMatchObject({
          key,
          value: key,
        })
      }),
      {
        numRuns: 25,
        examples: [['a/b'], ['..'], ['.'], ['%2f'], ['?x=1#y'], ['a b+c'], ['日本🙂'], ['🙂'.repeat(128)]],
      },
    )
  })

  it('that is not there, or has no possible name, is a problem', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.owner('/v1/state/ns/none')).json).toMatchObject({ code: 'not-found', status: 404 })
    expect((await served.owner('/v1/state/ns/a%00b')).json).toMatchObject({ code: 'input.invalid' })
    expect((await served.owner('/v1/state/ns/%zz')).json).toMatchObject({ code: 'input.malformed' })
    expect((await served.owner('/v1/state/ns/%ff')).json).toMatchObject({ code: 'input.malformed' })
    expect((await served.owner(`/v1/state/ns/${'k'.repeat(257)}`)).json).toMatchObject({
      code: 'input.invalid',
    })
    expect((await served.owner(`/v1/state/ns/${'k'.repeat(8000)}`)).json).toMatchObject({
      code: 'input.malformed',
    })
  })

  it('cannot be at a path that its input does not know', () => {
    const lost = command('lost.put@1', {
      summary: '',
      input: {},
      output: Type.Object({}),
      effect: 'atomic',
      http: { path: 'lost/{id}' },
    })
    expect(() => resourcePathOf(lost)).toThrow('{id}')
    expect(() => resourcePathOf({ ...lost, http: { path: '/v1/lost' } })).toThrow('begins with /')
  })
})
