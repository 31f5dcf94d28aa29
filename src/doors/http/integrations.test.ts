// How the services outside are: the form that older clients read, and details for principals only.

import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { defineModule } from '../../kernel/catalog/module.ts'
import * as contract from '../../modules/counterparts/contract.ts'
import { type IntegrationReport, integrations } from '../../modules/counterparts/contract.ts'
import { state } from '../../modules/state/module.ts'
import { serve } from './fixtures/served.ts'

type Word = IntegrationReport['services'][number]['status']

const reporting = (report: IntegrationReport) =>
  defineModule(
    'counterparts',
    { url: new URL('../../modules/counterparts/contract.ts', import.meta.url).href, exports: contract },
    { faces: [integrations.provide({ report: async () => report })] },
  )

const service = (name: string, status: Word) => ({
  service: name,
  status,
  priority: 'high',
  waiting: 2,
  lastError: 'timeout',
})

describe('/health/integrations', () => {
  it('is healthy where there is nothing to be ill', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { status, json } = await served.owner('/health/integrations')
    expect(status).toBe(200)
    expect(json).toEqual({
      timestamp: expect.stringMatching(/^\d{4}-/),
      overall_status: 'healthy',
      services: {},
      integration_count: 0,
      degradation_level: 'none',
    })
  })

  it('is as bad as its worst part, in whatever order they come', async () => {
    const orders: [Word[], Word, number][] = [
      [['healthy', 'healthy'], 'healthy', 200],
      [['degraded', 'healthy'], 'degraded', 200],
      [['unhealthy', 'degraded'], 'unhealthy', 503],
      [['degraded', 'unhealthy', 'healthy'], 'unhealthy', 503],
    ]
    for (const [words, overall, code] of orders) {
      const services = words.map((word, at) => service(`s${at}`, word))
      const module = reporting({ degradationLevel: 'partial', services })
      await using served = await serve(await openHub({ modules: [state, module] }))
      const { status, json } = await served.owner('/health/integrations')
      expect([status, json]).toMatchObject([
        code,
        { overall_status: overall, integration_count: words.length, degradation_level: 'partial' },
      ])
    }
  })

  it('names services and their errors to principals only', async () => {
    const module = reporting({ degradationLevel: 'severe', services: [service('__proto__', 'degraded')] })
    await using served = await serve(await openHub({ modules: [state, module] }))
    const { json } = await served.anyone('/health/integrations')
    expect(Object.keys(json as object).toSorted()).toEqual([
      'degradation_level',
      'integration_count',
      'overall_status',
      'timestamp',
    ])
    const detailed = JSON.stringify((await served.owner('/health/integrations')).json)
    expect(detailed).toContain(
      '"__proto__":{"status":"degraded","priority":"high","waiting":2,"error":"timeout"}',
    )
  })
})
