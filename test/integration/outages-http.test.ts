// What other programs are told while the gate cannot be asked: never yes, never "forbidden", and that it is worth trying again.

import { describe, expect, it, onTestFinished } from 'vitest'
import { GateUnavailable, openGate } from '../../sdk/client.ts'
import { openGoverning } from '../../sdk/governing.ts'
import { clientOf } from '../../src/doors/http/fixtures/client.ts'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { StandingSource } from '../../src/kernel/catalog/standing.ts'
import { openSandbox } from './cli-process.ts'
import { frail } from './lab/frail.ts'
import { entriesOf, openTestHub } from './lab/hubs.ts'

const post = (body: unknown) => ({ method: 'POST', body }) as const
const deed = (more: object = {}) => ({
  action: { name: 'pay', properties: { risk: 'low', ...more } },
  resource: { type: 'account', id: '1' },
})

/** A hub of which one source can be switched off, once or for good. */
async function opened() {
  let isDown: () => boolean = () => false
  const source: StandingSource = {
    name: 'puppet',
    read() {
      if (isDown()) throw new Error('the secret insides of a database at 10.1.2.3')
      return {}
    },
  }
  const hub = await openTestHub('memory', { modules: [frail(source)] })
  const served = await serve(hub, { trustedProxies: ['127.0.0.1'] })
  const { token } = await served.issue({ kind: 'service', id: 'shop', roles: ['owner'] })
  return Object.assign(served, {
    gated: hub,
    shop: clientOf(served.url, token),
    shopToken: token,
    down: (how: () => boolean = () => true) => {
      isDown = how
    },
  })
}

const UNAVAILABLE = {
  status: 503,
  headers: { 'retry-after': '1', 'content-type': 'application/problem+json; charset=utf-8' },
  json: { code: 'gate.unavailable', sources: ['puppet'] },
}

describe('while a source of the gate is down', () => {
  it('every way to ask for a decision answers that it is unavailable, and nothing of why', async () => {
    await using served = await opened()
    const { shop } = served
    const before = (await entriesOf(served.gated, 'action.decided@1')).length
    served.down()
    const forwarded = {
      headers: {
        'x-forwarded-for': '203.0.113.9',
        'x-forwarded-method': 'GET',
        'x-forwarded-host': 'a.test',
        'x-forwarded-uri': '/x',
      },
    }
    for (const answer of [
      await shop('/v1/decisions', post(deed())),
      await shop('/v1/decisions', post(deed({ readOnly: true }))),
      await shop('/v1/decisions/0190-abc'),
      await shop('/access/v1/evaluation', post(deed())),
      await shop('/v1/forward-auth', forwarded),
      await shop('/v1/actions/frail.act', post({ input: {} })),
      await shop('/v1/queries/frail.look', post({ input: {} })),
    ]) {
      expect(answer).toMatchObject(UNAVAILABLE)
      expect(JSON.stringify(answer.json)).not.toContain('10.1.2.3')
    }
    served.down(() => false)
    expect(await entriesOf(served.gated, 'frail.acted@1')).toEqual([])
    // It is on record, with the cause, for those who may read that.
    const denied = (await entriesOf(served.gated, 'action.decided@1')).slice(before)
    expect(denied.length).toBeGreaterThan(0)
    for (const { data } of denied)
      expect(data).toMatchObject({ effect: 'denied', reasons: ['polity.unavailable'] })
    expect(JSON.stringify(denied)).toContain('puppet could not be asked')
    expect((await shop('/v1/decisions', post(deed()))).json).toMatchObject({ decision: true })
  })

  it('one of many that has no decision is no permission, and takes no other along', async () => {
    await using served = await opened()
    let asked = 0
    served.down(() => ++asked === 2)
    const { status, json } = await served.shop(
      '/access/v1/evaluations',
      post({ ...deed(), evaluations: [{}, {}, {}] }),
    )
    expect([status, json]).toMatchObject([
      200,
      {
        evaluations: [
          { decision: true },
          { decision: false, context: { error: { status: 503, code: 'gate.unavailable' } } },
          { decision: true },
        ],
      },
    ])
  })

  it('the client and the middlewares let nothing through, and say when to come again', async () => {
    await using served = await opened()
    const gate = openGate({ url: served.url, token: served.shopToken })
    const paying = { action: 'pay', resource: { type: 'account', id: '1' }, risk: 'low' } as const
    served.down()
    await expect(gate.decide(paying)).rejects.toBeInstanceOf(GateUnavailable)
    await expect(gate.decide({ ...paying, isReadOnly: true })).rejects.toMatchObject({ status: 503 })
    const governing = openGoverning({ gate })
    const sent = { headers: {} }
    expect(await governing.admit(paying, sent)).toMatchObject({
      refusal: { status: 503, headers: { 'retry-after': '1' } },
    })
    served.down(() => false)
    expect(await governing.admit(paying, sent)).toHaveProperty('passage')
  })

  it('the command line says what is down, and where to look', async () => {
    await using served = await opened()
    const sandbox = openSandbox()
    onTestFinished(() => sandbox.remove())
    const asked = ['token', 'list', '--url', served.url, '--token', served.token]
    served.down()
    const failed = await sandbox.polity(asked)
    expect(failed.stdout).toBe('')
    expect(failed.stderr).toContain('could not ask puppet')
    expect(failed.stderr).toContain(
      '(gate.unavailable)\n  if it stays so, `polity doctor` shows what is down\n',
    )
    expect(failed.stderr).not.toContain('10.1.2.3')
    expect(failed.exitCode).not.toBe(0)
    served.down(() => false)
    expect(await sandbox.polity(asked)).toMatchObject({ exitCode: 0 })
  })

  it('an idempotency key is not used up: the same request is done once it can be decided', async () => {
    await using served = await opened()
    const request = { ...post({ input: {} }), headers: { 'idempotency-key': 'k1' } }
    served.down()
    expect(await served.shop('/v1/actions/frail.act', request)).toMatchObject(UNAVAILABLE)
    served.down(() => false)
    for (let turn = 0; turn < 2; turn++)
      expect((await served.shop('/v1/actions/frail.act', request)).status).toBe(200)
    expect(await entriesOf(served.gated, 'frail.acted@1')).toHaveLength(1)
  })
})
