// The registry as older clients speak to it: register, heartbeat, query.

import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { componentsModule } from '../../modules/components/module.ts'
import { serve } from './fixtures/served.ts'

const open = async () => serve(await openHub({ modules: [componentsModule()] }))

/** As the integration guide of such a client has it. */
const PROMETHEUS = {
  component_id: 'Prometheus',
  name: 'Prometheus Planning Engine',
  version: '0.1.0',
  description: 'Planning and preparation component of Tekton',
  capabilities: ['planning', 'critical_path_analysis', 'retrospectives'],
  endpoints: { http: 'http://localhost:8006/api', ws: 'ws://localhost:8006/ws' },
}
const TELOS = {
  name: 'telos',
  version: '1.0.0',
  type: 'requirements',
  endpoint: 'http://127.0.0.1:8008',
  metadata: { port: 8008, tags: ['a'], note: 'plain' },
}

describe('the older registry', () => {
  it('registers, hears, and is asked by capability, type and health', async () => {
    await using served = await open()
    const post = (path: string, body: object, headers = {}) =>
      served.owner(path, { method: 'POST', body, headers })
    const registered = await post('/api/register', PROMETHEUS)
    expect([registered.status, registered.json]).toEqual([
      200,
      { success: true, component_id: 'prometheus', token: '1', message: 'registered: renew within 60 s' },
    ])
    await post('/api/register', TELOS)
    const beat = await post(
      '/api/heartbeat',
      { component_id: 'Prometheus', status: { load: 1 } },
      { 'x-authentication-token': '1' },
    )
    expect(beat.json).toMatchObject({ success: true, timestamp: expect.any(Number) })
    const names = (json: unknown) => (json as { component_id: string }[]).map((each) => each.component_id)
    expect(names((await served.owner('/api/query?capability=critical_path_analysis')).json)).toEqual([
      'prometheus',
    ])
    expect(names((await served.owner('/api/query?type=requirements&healthy_only=true')).json)).toEqual([
      'telos',
    ])
    expect(names((await post('/api/query', { component_type: 'none' })).json)).toEqual([])
    expect((await post('/api/query', {})).json).toMatchObject([
      { component_id: 'prometheus', endpoint: 'http://localhost:8006/api', healthy: true },
      {
        component_id: 'telos',
        metadata: { port: '8008', tags: '["a"]', note: 'plain' },
        type: 'requirements',
      },
    ])
  })

  it('is as strict as the one behind it', async () => {
    await using served = await open()
    const post = (path: string, body: object, headers = {}) =>
      served.owner(path, { method: 'POST', body, headers })
    await post('/api/register', TELOS)
    await post('/api/register', TELOS)
    const beat = (headers: object, body: object = { component_id: 'telos' }) =>
      post('/api/heartbeat', body, headers)
    expect((await beat({ 'x-authentication-token': '1' })).status).toBe(409)
    expect((await beat({})).status).toBe(401)
    expect((await beat({ 'x-authentication-token': 'x' })).status).toBe(401)
    expect((await beat({ 'x-authentication-token': '1' }, { component_id: 'nobody' })).status).toBe(404)
    expect((await post('/api/register', { ...TELOS, version: 'latest' })).status).toBe(400)
    expect((await post('/api/register', { ...TELOS, endpoint: 'http://169.254.169.254/' })).status).toBe(403)
    expect((await post('/api/register', { ...TELOS, sudo: true })).status).toBe(400)
    expect((await served.owner('/api/query?healthy_only=maybe')).status).toBe(400)
    expect((await served.anyone('/api/query')).status).toBe(401)
    expect((await served.owner('/v1/openapi.json')).text).toContain('"/api/query"')
  })
})
