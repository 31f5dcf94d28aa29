import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import type { Answer } from '../../kernel/catalog/invoke.ts'
import { canonicalize } from '../../kit/canonical-json.ts'
import { state } from '../../modules/state/module.ts'
import { bulk } from './fixtures/bulk.ts'
import { serve } from './fixtures/served.ts'

interface Page {
  readonly entries: readonly {
    readonly seq: number
    readonly type: string
    readonly data: Readonly<Record<string, unknown>>
  }[]
  readonly cursor?: string
}

const cursorOf = (answer: Answer): string => ('cursor' in answer ? answer.cursor : '')

describe('the entries of the log', () => {
  it.each(['oldest', 'newest'])('come in pages, %s first, each once', async (order) => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (let n = 0; n < 3; n++) await served.put(`k${n}`)
    const { log } = served.hub
    const size = log.positionOf((await served.put('k3')).headers['polity-cursor'] as string)
    await log.published(size)
    const seqs: number[] = []
    let after = ''
    while (seqs.length < size) {
      const page = (await served.owner(`/v1/log/entries?order=${order}&limit=5${after}`)).json as Page
      seqs.push(...page.entries.map(({ seq }) => seq))
      after = `&after=${page.cursor}`
    }
    const all = Array.from({ length: size }, (_, seq) => seq)
    expect(seqs).toEqual(order === 'oldest' ? all : all.reverse())
  })

  it('are cut where a page would become too large, and go on there', async () => {
    await using served = await serve(await openHub({ modules: [bulk] }))
    const { hub } = served
    const count = 80
    let cursor = ''
    for (let n = 0; n < count; n += 10)
      cursor = cursorOf(await hub.invoke(hub.owner, 'bulk.note', { count: 10, sizeChars: 60_000 }))
    await hub.log.published(hub.log.positionOf(cursor))
    for (const order of ['oldest', 'newest']) {
      const seqs: number[] = []
      let after = ''
      let pages = 0
      while (seqs.length < count) {
        const { json, bytes } = await served.owner(
          `/v1/log/entries?type=bulk.noted@1&order=${order}&limit=1000${after}`,
        )
        expect(bytes.length).toBeLessThan(4.3 * 1024 * 1024)
        seqs.push(...(json as Page).entries.map(({ seq }) => seq))
        after = `&after=${(json as Page).cursor}`
        pages += 1
      }
      expect([pages, new Set(seqs).size]).toEqual([2, count])
    }
  })

  it('are found by type, and hold references instead of private values', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.put('k', 'a secret of mine')
    const { json, text } = await served.owner('/v1/log/entries?type=state.document-written@1')
    expect((json as Page).entries.map(({ data }) => data)).toEqual([
      { namespace: 'ns', key: 'k', value: { $private: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ])
    expect(text).not.toContain('secret of mine')
  })

  it('are read one at a time too, as the log commits to them when asked for it', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.owner('/v1/log/entries/0')).json).toMatchObject({ seq: 0, type: 'log.opened@1' })
    const exact = await served.owner('/v1/log/entries/0', {
      headers: { accept: 'application/cloudevents+json' },
    })
    expect(exact.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8')
    expect(exact.text).toBe((await served.hub.log.entry(0)).text)
    expect(canonicalize(JSON.parse(exact.text))).toBe(exact.text)
    expect((await served.owner('/v1/log/entries/9999')).json).toMatchObject({ code: 'not-found' })
    expect((await served.owner('/v1/log/entries/-1')).json).toMatchObject({ code: 'input.invalid' })
  })

  it.each([
    ['limit=0', 'input.invalid'],
    ['limit=1001', 'input.invalid'],
    ['limit=ten', 'input.invalid'],
    ['order=sideways', 'input.invalid'],
    ['colour=red', 'input.invalid'],
    ['after=x', 'cursor.invalid'],
  ])('are not given for ?%s', async (query, code) => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.owner(`/v1/log/entries?${query}`)).json).toMatchObject({ code })
  })

  it('are not given for the cursor of another log, or of the future', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await using other = await serve(await openHub({ modules: [state] }))
    const foreign = other.hub.log.cursorAt(0)
    const ahead = served.hub.log.cursorAt(1_000_000)
    expect((await served.owner(`/v1/log/entries?after=${foreign}`)).json).toMatchObject({
      code: 'cursor.invalid',
    })
    expect((await served.owner(`/v1/log/entries?after=${ahead}`)).json).toMatchObject({
      code: 'cursor.ahead',
    })
  })
})
