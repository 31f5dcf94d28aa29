import { once } from 'node:events'
import { type IncomingMessage, request as startRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { state } from '../../modules/state/module.ts'
import { traceparentOf } from './actions.ts'
import { openErrands } from './fixtures/errands.ts'
import { serve } from './fixtures/served.ts'
import type { ServedHub } from './served-hub.ts'

const INPUT = { namespace: 'ns', key: 'k', value: { a: 1 } }
const post = (input: unknown, headers = {}) => ({ method: 'POST', headers, body: { input } }) as const

describe('an action', () => {
  it('is answered with its output, its decision and a cursor', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { status, headers, json } = await served.owner('/v1/actions/state.put', post(INPUT))
    expect(status).toBe(200)
    expect(json).toEqual({
      status: 'done',
      output: { ...INPUT, version: 1 },
      decision: expect.stringMatching(/^[0-9a-f-]{36}$/),
      cursor: expect.any(String),
    })
    expect(headers).toMatchObject({
      etag: '"1"',
      'polity-cursor': (json as { cursor: string }).cursor,
      'cache-control': 'no-store',
    })
    expect((await served.owner('/v1/actions/state.put@1', post(INPUT))).json).toMatchObject({
      output: { version: 2 },
    })
  })

  it('that nobody knows is answered with those that come close', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { status, json } = await served.owner('/v1/actions/state.putt', post(INPUT))
    expect([status, json]).toMatchObject([
      404,
      { code: 'name.unknown', suggestions: ['state.put'], detail: expect.stringContaining('did you mean') },
    ])
    expect((await served.owner('/v1/actions/state.get', post({}))).json).toMatchObject({
      code: 'name.unknown',
    })
    expect((await served.owner('/v1/actions/__proto__', post({}))).json).toMatchObject({
      code: 'name.unknown',
    })
  })

  it.each([
    ['an unknown field', { ...INPUT, colour: 'red' }, '/colour'],
    ['a wrong type', { ...INPUT, namespace: 7 }, '/namespace'],
    ['a missing field', { namespace: 'ns', key: 'k' }, ''],
    ['a version that is no number', { ...INPUT, ifVersion: '1' }, '/ifVersion'],
    ['a name that is a path', { ...INPUT, namespace: '../etc' }, '/namespace'],
  ])('with %s is refused with a pointer', async (_, input, pointer) => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { status, json } = await served.owner('/v1/actions/state.put', post(input))
    expect([status, json]).toMatchObject([400, { code: 'input.invalid', violations: [{ pointer }] }])
  })

  it.each([
    ['a bare array', [1], 'input.invalid', 400],
    ['a bare input', INPUT, 'input.invalid', 400],
    ['an input that is no object', { input: 'x' }, 'input.invalid', 400],
    ['more than an input', { input: INPUT, key: 'x' }, 'input.invalid', 400],
    ['no JSON', '{"input":', 'input.malformed', 400],
    ['a member twice', '{"input":{},"input":{}}', 'input.malformed', 400],
    ['a prototype', '{"input":{"__proto__":{"a":1}}}', 'input.malformed', 400],
    ['endless nesting', `{"input":${'['.repeat(500_000)}`, 'input.too-deep', 400],
    ['over 1 MiB', `"${'x'.repeat(1024 * 1024)}"`, 'body.too-large', 413],
    ['a lone surrogate', '{"input":{"namespace":"ns","key":"k","value":"\\ud800"}}', 'entry.unicode', 400],
  ])('whose body is %s is refused', async (_, body, code, status) => {
    await using served = await serve(await openHub({ modules: [state] }))
    const size = served.hub.log.head().size
    const reply = await served.owner('/v1/actions/state.put', { method: 'POST', body })
    expect([reply.status, reply.json]).toMatchObject([status, { code, status }])
    expect(reply.text.length).toBeLessThan(2000)
    expect(served.hub.log.head().size).toBe(size)
  })

  it('whose length is too large is refused before its body was sent, as for a bundle of rules', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const request = startRequest(`${served.url}/v1/actions/gate.load`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${served.token}`,
        'content-type': 'application/json',
        'content-length': 2 * 1024 * 1024,
      },
      signal: AbortSignal.timeout(20_000),
    })
    request.write('{"input":')
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect([response.statusCode, JSON.parse(await text(response))]).toMatchObject([
      413,
      { code: 'body.too-large' },
    ])
    request.destroy()
  })

  it('may come in chunks, up to the same size', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const headers = { 'transfer-encoding': 'chunked' }
    const chunked = { method: 'POST', headers, body: JSON.stringify({ input: INPUT }) }
    expect((await served.owner('/v1/actions/state.put', chunked)).status).toBe(200)
    const huge = { method: 'POST', headers, body: `"${'x'.repeat(1024 * 1024)}"` }
    expect((await served.owner('/v1/actions/state.put', huge)).json).toMatchObject({ code: 'body.too-large' })
  })

  it('comes as plain JSON', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const send = (headers: Record<string, string>) =>
      served.owner('/v1/actions/state.put', post(INPUT, headers))
    for (const type of ['text/plain', 'application/xml', 'nonsense', 'application/x-www-form-urlencoded'])
      expect((await send({ 'content-type': type })).json).toMatchObject({
        code: 'body.media-type',
        status: 415,
      })
    expect((await send({ 'content-encoding': 'gzip' })).json).toMatchObject({ code: 'body.media-type' })
    expect((await send({ 'content-type': 'application/json; charset=utf-8' })).status).toBe(200)
  })

  it('happens once per idempotency key, and not at all for another input', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const send = (input: unknown) =>
      served.owner('/v1/actions/state.put', post(input, { 'idempotency-key': 'once' }))
    const first = await send(INPUT)
    const again = await send(INPUT)
    expect(again.json).toMatchObject({
      status: 'done',
      output: { version: 1 },
      decision: (first.json as { decision: string }).decision,
    })
    expect((await send({ ...INPUT, value: 2 })).json).toMatchObject({
      code: 'idempotency.conflict',
      status: 409,
    })
    const together = await Promise.all(
      Array.from({ length: 5 }, () =>
        served.owner('/v1/actions/state.put', post({ ...INPUT, key: 'k2' }, { 'idempotency-key': 'race' })),
      ),
    )
    expect(together.map(({ json }) => (json as { output: { version: number } }).output.version)).toEqual([
      1, 1, 1, 1, 1,
    ])
    expect(
      (await served.owner('/v1/actions/state.put', post(INPUT, { 'idempotency-key': 'x'.repeat(300) }))).json,
    ).toMatchObject({ code: 'input.invalid' })
  })

  it('carries the trace of its caller into the log', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await served.owner('/v1/actions/state.put', post(INPUT, { traceparent }))
    const { json } = await served.owner('/v1/log/entries?order=newest&limit=1')
    expect(json).toMatchObject({ entries: [{ traceparent }] })
    for (const invalid of [
      '',
      'x',
      traceparent.toUpperCase(),
      traceparent.replace(/[0-9a-f]{32}/, '0'.repeat(32)),
      `${traceparent}\n`.repeat(2),
    ])
      expect(traceparentOf({ headers: { traceparent: invalid } })).toBeUndefined()
  })

  it('that owes an approval is suspended and says what it waits for', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.issue({ kind: 'user', id: 'second', roles: ['owner'] })
    const { status, json, headers } = await served.owner(
      '/v1/actions/vault.erase',
      post({ subject: 'state/ns/k' }),
    )
    expect([status, json]).toMatchObject([
      202,
      {
        status: 'suspended',
        obligations: ['owner:1'],
        sentence: expect.any(String),
        decision: expect.any(String),
      },
    ])
    const { approval } = json as { approval: string }
    expect(headers.location).toBe(`/v1/approvals/${approval}`)
    expect((await served.owner(String(headers.location))).json).toMatchObject({ approval, status: 'pending' })
  })
})

describe('a long-running action', () => {
  it('has a deadline and a callback by its headers, and an action of one commit has neither', async () => {
    const { errands } = openErrands()
    await using served = await serve(await openHub({ modules: [errands, state] }))
    const codes = async (path: string, body: object, headers: Record<string, string>) => {
      const { status, json } = await served.owner(path, post(body, headers))
      return [status, (json as { code?: string }).code]
    }
    const run = (headers: Record<string, string>) =>
      codes('/v1/actions/errand.run', { text: 'milk' }, headers)
    expect(await run({ 'polity-deadline': '2020-01-01T00:00:00Z' })).toEqual([504, 'run.deadline'])
    expect(await run({ 'polity-deadline': 'soon' })).toEqual([400, 'input.invalid'])
    expect(await run({ 'polity-callback': 'ftp://elsewhere/' })).toEqual([400, 'egress.invalid'])
    expect(await run({ 'polity-callback': 'http://127.0.0.1/' })).toEqual([403, 'egress.refused'])
    const put = (headers: Record<string, string>) =>
      codes('/v1/actions/state.put', { namespace: 'n', key: 'k', value: 1 }, headers)
    expect(await put({ 'polity-deadline': '2030-01-01T00:00:00Z' })).toEqual([400, 'input.invalid'])
  })

  it('is answered at once when the caller prefers that, and can be followed', async () => {
    const { errands, begun, release } = openErrands()
    await using served = await serve(await openHub({ modules: [errands] }))
    const { status, headers, json } = await served.owner(
      '/v1/actions/errand.run',
      post({ text: 'milk' }, { prefer: 'respond-async' }),
    )
    const { run } = json as { run: string }
    expect([status, headers.location, headers['preference-applied']]).toEqual([
      202,
      `/v1/runs/${run}`,
      'respond-async',
    ])
    expect(json).toMatchObject({
      status: 'running',
      decision: expect.any(String),
      cursor: headers['polity-cursor'],
    })
    await begun
    expect((await served.owner(`/v1/runs/${run}`)).json).toMatchObject({ status: 'running', run })
    release()
    await finished(served.hub)
    const done = await served.owner(`/v1/runs/${run}`)
    expect([done.status, done.json]).toMatchObject([200, { status: 'done', run, output: { said: 'milk' } }])
  })

  it('is waited for otherwise', async () => {
    const { errands, release } = openErrands()
    await using served = await serve(await openHub({ modules: [errands] }))
    release()
    const { json } = await served.owner('/v1/actions/errand.run', post({ text: 'milk' }))
    expect(json).toMatchObject({ status: 'done', output: { said: 'milk' }, run: expect.any(String) })
  })

  it('that fails is a problem for who waits, and a fact for who asks later', async () => {
    const { errands, release } = openErrands()
    await using served = await serve(await openHub({ modules: [errands] }))
    release()
    const { status, json } = await served.owner('/v1/actions/errand.run', post({ text: 'milk', fails: true }))
    expect([status, json]).toMatchObject([
      404,
      { code: 'not-found', detail: 'there is no milk', run: expect.any(String) },
    ])
    const { run } = json as { run: string }
    const later = await served.owner(`/v1/runs/${run}`)
    expect([later.status, later.json]).toMatchObject([
      200,
      { status: 'failed', run, error: { code: 'not-found', detail: 'there is no milk' } },
    ])
  })

  it('that nobody started is not found', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    expect((await served.owner('/v1/runs/01')).json).toMatchObject({ code: 'run.not-found', status: 404 })
  })
})

/** Resolves with the entry that says how the run ended. */
async function finished({ log }: Pick<ServedHub, 'log'>): Promise<void> {
  const ending = new AbortController()
  for await (const entries of log.follow(undefined, ending.signal))
    if (entries.some(({ type }) => type === 'action.finished@1')) return
}
