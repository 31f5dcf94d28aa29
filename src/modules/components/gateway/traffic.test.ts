// Forms of paths and counts of traffic: bounded whatever comes, and right as far as they say.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PATH_CLASS_MAX_CHARS, pathClassOf } from './path-class.ts'
import { FORMS_MAX, openTraffic, ROUTES_MAX } from './traffic.ts'

describe('the form of a path', () => {
  it.each([
    ['', '/'],
    ['/', '/'],
    ['/api/plans', '/api/plans'],
    ['/plans/42/tasks/7', '/plans/{id}/tasks/{id}'],
    ['/x/0198c6a1-0000-7000-8000-00000000000A', '/x/{id}'],
    ['/x/deadbeefdeadbeef', '/x/{id}'],
    ['/v1/users/@me', '/v1/users/{id}'],
    ['/a%20b/c', '/{id}/c'],
    [`/${'x'.repeat(41)}`, '/{id}'],
    ['/1/2/3/4/5/6/7/8/9', '/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/...'],
    ['/report-2026', '/{id}'],
    ['/%61dm%69n/%41', '/admin/A'],
    ['//a///b/', '/a/b/'],
    ['/%2e%2e/%2fx', '/../{id}'],
    ['/%2561dmin', '/{id}'],
  ])('%s is %s', (path, form) => expect(pathClassOf(path)).toBe(form))

  it('is short and plain, whatever the path', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
        const form = pathClassOf(`/${text}`)
        expect(form).toMatch(/^\/[A-Za-z0-9._~{}/-]*$/)
        expect(form.length).toBeLessThanOrEqual(PATH_CLASS_MAX_CHARS)
      }),
    )
  })
})

describe('traffic', () => {
  const sample = (more: object = {}) => ({
    component: 'a',
    method: 'GET',
    path: '/',
    status: 200,
    latencyMs: 1,
    ...more,
  })

  it('has percentiles that are at most a quarter too high and never too low', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (all) => {
          const traffic = openTraffic()
          for (const latencyMs of all) traffic.note(sample({ latencyMs }))
          const sorted = all.toSorted((one, other) => one - other)
          const [row] = traffic.page({}).items
          for (const [name, share] of [
            ['p50Ms', 0.5],
            ['p95Ms', 0.95],
            ['p99Ms', 0.99],
          ] as const) {
            const exact = sorted[Math.ceil(sorted.length * share) - 1] ?? 0
            const shown = row?.[name] ?? 0
            expect(shown).toBeGreaterThanOrEqual(exact * 0.99)
            expect(shown).toBeLessThanOrEqual(exact * 1.26)
          }
        },
      ),
    )
  })

  it('counts everything, and keeps so many rows and no more', () => {
    const traffic = openTraffic()
    for (let at = 0; at < FORMS_MAX + 50; at++) traffic.note(sample({ path: `/${at}x` }))
    expect(traffic.page({ id: 'a' }).items).toHaveLength(FORMS_MAX + 1)
    expect(traffic.page({ id: 'a' }).items.find(({ path }) => path === '{other}')?.requests).toBe(50)
    for (let at = 0; at < 2 * ROUTES_MAX; at++)
      traffic.note(sample({ component: `c${at}`, status: 500, method: 'BREW' }))
    let after: string | undefined
    let rows = 0
    let requests = 0
    do {
      const page = traffic.page({ limit: 999, ...(after === undefined ? {} : { after }) })
      rows += page.items.length
      requests += page.items.reduce((sum, each) => sum + each.requests, 0)
      after = page.after
    } while (after !== undefined)
    expect(rows).toBeLessThanOrEqual(ROUTES_MAX)
    expect(requests).toBe(FORMS_MAX + 50 + 2 * ROUTES_MAX)
    expect(traffic.metrics().length).toBeLessThanOrEqual(ROUTES_MAX * 9 + 4)
  })
})
