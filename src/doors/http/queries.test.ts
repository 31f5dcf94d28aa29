import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { state } from '../../modules/state/module.ts'
import { serve } from './fixtures/served.ts'

describe('a query', () => {
  it('is asked by GET with its fields in the URL, or by POST with an input', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.put('k', { a: 1 })
    const document = { namespace: 'ns', key: 'k', version: 1, value: { a: 1 } }
    const byUrl = await served.owner('/v1/queries/state.get?namespace=ns&key=k')
    const byBody = await served.owner('/v1/queries/state.get@1', {
      method: 'POST',
      body: { input: { namespace: 'ns', key: 'k' } },
    })
    for (const { status, headers, json } of [byUrl, byBody]) {
      expect([status, json]).toEqual([200, document])
      expect(headers).toMatchObject({ etag: '"1"', 'polity-cursor': expect.any(String) })
    }
    expect((await served.owner('/v1/queries/state.list?namespace=ns&limit=1')).json).toEqual({
      items: [document],
      after: 'k',
    })
  })

  it.each([
    ['/v1/queries/state.list?namespace=ns&limit=x', 'input.invalid', '/limit'],
    ['/v1/queries/state.list?namespace=ns&limit=0', 'input.invalid', '/limit'],
    ['/v1/queries/state.list?namespace=ns&limit=99999999999999999999', 'input.invalid', '/limit'],
    ['/v1/queries/state.list?namespace=ns&colour=red', 'input.invalid', '/colour'],
    ['/v1/queries/state.list?namespace=ns&__proto__=1', 'input.invalid', '/__proto__'],
    ['/v1/queries/state.list', 'input.invalid', ''],
  ])('like %s is refused with a pointer', async (path, code, pointer) => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.owner(path)).json).toMatchObject({ code, violations: [{ pointer }] })
  })

  it('that does not exist, or whose field is given twice, is refused', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.owner('/v1/queries/state.gett')).json).toMatchObject({
      code: 'name.unknown',
      suggestions: ['state.get', 'state.list'],
    })
    expect((await served.owner('/v1/queries/state.list?namespace=a&namespace=b')).json).toMatchObject({
      code: 'input.invalid',
    })
  })

  it('sees what was written before it, when it brings the cursor of the write', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (let n = 1; n <= 20; n++) {
      const written = await served.put('k', n)
      const after = String(written.headers['polity-cursor'])
      const { json } = await served.owner('/v1/state/ns/k', { headers: { 'polity-after': after } })
      expect(json).toMatchObject({ version: n, value: n })
    }
  })

  it('refuses what is no cursor of this log', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (const cursor of ['x', '0', '../', 'AAAA'])
      expect((await served.owner('/v1/status', { headers: { 'polity-after': cursor } })).json).toMatchObject({
        code: 'cursor.invalid',
        status: 400,
      })
  })
})

describe('a representation with an entity tag', () => {
  it('is sent again only when it has changed', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.put('k')
    const headers = { 'if-none-match': '"1"' }
    const same = await served.owner('/v1/state/ns/k', { headers })
    expect([same.status, same.text, same.headers.etag]).toEqual([304, '', '"1"'])
    expect(same.headers['cache-control']).toBe('private, no-cache')
    await served.put('k', 2)
    expect((await served.owner('/v1/state/ns/k', { headers })).json).toMatchObject({ version: 2 })
    expect((await served.owner('/v1/state/ns/k', { headers: { 'if-none-match': '1' } })).json).toMatchObject({
      code: 'input.invalid',
    })
  })
})
