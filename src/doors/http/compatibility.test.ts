// The paths of older clients: the same action, gate and record behind another name.

import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { archiveModule } from '../../modules/archive/module.ts'
import { state } from '../../modules/state/module.ts'
import { serve } from './fixtures/served.ts'

const open = async () => serve(await openHub({ modules: [archiveModule(), state] }))

/** As the integration guide of such a client has it. */
const SCROLL = {
  scroll_type: 'mirror_analysis',
  timestamp: '2025-08-18T20:00:00Z',
  content: { analysis_results: 'fine', repositories: { a: 1 } },
  metadata: { system: 'MirrorWatcherAI', repositories_count: 1, analysis_id: 'analysis_1' },
  preservation_level: 'permanent',
  indexing: { searchable: true, categories: ['analysis', 'security'], tags: ['daily', 'security'] },
}

interface Answer {
  readonly scroll_id: string
  readonly archive_url: string
  readonly preservation_guarantee: string
}

describe.each(['/scrolls', '/v1/scrolls'])('POST %s', (path) => {
  it('preserves the scroll and answers where it is and what is guaranteed', async () => {
    await using served = await open()
    const { owner } = served
    const { status, json, headers } = await owner(path, { method: 'POST', body: SCROLL })
    const answer = json as Answer
    expect(status).toBe(201)
    expect(Object.keys(answer).toSorted()).toEqual(['archive_url', 'preservation_guarantee', 'scroll_id'])
    expect(answer.preservation_guarantee).toBe('permanent')
    expect(headers['polity-decision']).toBeDefined()
    const got = (await owner(`${answer.archive_url}?content=true`)).json
    expect(got).toMatchObject({
      scroll: answer.scroll_id,
      title: 'mirror_analysis 2025-08-18T20:00:00Z',
      category: 'mirror_analysis',
      tags: ['analysis', 'security', 'daily'],
      content: SCROLL.content,
      metadata: { ...SCROLL.metadata, timestamp: SCROLL.timestamp },
      retention: { mode: 'governance', retainUntil: '9999-12-31T00:00:00Z' },
    })
  })

  it('promises nothing that was not asked for', async () => {
    await using served = await open()
    const { json } = await served.owner(path, { method: 'POST', body: { content: 'words' } })
    expect(json).toMatchObject({ preservation_guarantee: 'until-deleted' })
    const got = (await served.owner((json as Answer).archive_url)).json
    expect(got).toMatchObject({ title: 'scroll', category: 'scroll' })
    expect(got).not.toHaveProperty('retention')
  })

  it('refuses strangers, other shapes, and what cannot be had', async () => {
    await using served = await open()
    const { owner, anyone } = served
    expect((await anyone(path, { method: 'POST', body: SCROLL })).status).toBe(401)
    const bodies = [
      undefined,
      [],
      'x',
      {},
      { content: 1, more: 1 },
      { content: 1, scroll_type: '../x' },
      { content: 1, timestamp: 'yesterday' },
      { content: 1, preservation_level: 'eternal' },
      { content: 1, indexing: { searchable: false } },
      { content: 1, indexing: { tags: ['x'.repeat(65)] } },
      { content: 1, metadata: { much: 'x'.repeat(40_000) } },
    ]
    for (const body of bodies) {
      const { status } = await owner(path, {
        method: 'POST',
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: { 'content-type': 'application/json' },
      })
      expect([400, 413], JSON.stringify(body)).toContain(status)
    }
    const { token } = await served.issue({ kind: 'agent', id: 'helper' })
    const denied = await anyone(path, {
      method: 'POST',
      body: SCROLL,
      headers: { authorization: `Bearer ${token}` },
    })
    expect(denied.status).toBe(403)
  })

  it('answers the same for the same idempotency key', async () => {
    await using served = await open()
    const send = () =>
      served.owner(path, { method: 'POST', body: SCROLL, headers: { 'idempotency-key': 'k' } })
    expect((await send()).json).toEqual((await send()).json)
  })
})

describe('compatible paths', () => {
  it('are written down with the others, and are not there without the action', async () => {
    await using served = await open()
    const { paths } = (await served.owner('/v1/openapi.json')).json as { paths: Record<string, object> }
    expect(paths['/scrolls']).toHaveProperty('post')
    expect(paths['/v1/scrolls']).toMatchObject({ get: expect.anything(), post: expect.anything() })
    await using without = await serve(await openHub({ modules: [state] }))
    expect((await without.owner('/scrolls', { method: 'POST', body: SCROLL })).status).toBe(404)
  })
})
