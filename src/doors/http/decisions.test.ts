import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { clientOf } from './fixtures/client.ts'
import { serve } from './fixtures/served.ts'

const EVALUATION = {
  subject: { type: 'user', id: 'owner' },
  action: { name: 'payments.refund', properties: { risk: 'medium' } },
  resource: { type: 'account', id: '42' },
}
const post = (body: unknown, headers = {}) => ({ method: 'POST', headers, body }) as const

interface Decided {
  readonly decision: boolean
  readonly context: { readonly id: string; readonly effect: string }
}
const idOf = (json: unknown) => (json as Decided).context.id

async function opened() {
  const served = await serve(await openHub({ modules: [] }))
  const { token } = await served.issue({ kind: 'service', id: 'shop' })
  const shop = clientOf(served.url, token)
  const finished = async (id: string) => {
    for (;;) {
      const { entries } = await served.hub.log.read({ limit: 1000, type: 'action.finished@1' })
      const found = entries.find(({ data }) => data.decision === id)
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  return Object.assign(served, { shop, finished })
}

describe('POST /v1/decisions', () => {
  it('answers in the shape of AuthZEN, and takes the outcome once', async () => {
    await using served = await opened()
    const asked = await served.owner('/v1/decisions', post(EVALUATION, { 'x-request-id': 'r-1' }))
    const id = idOf(asked.json)
    expect([asked.status, asked.json]).toEqual([200, { decision: true, context: { id, effect: 'allow' } }])
    expect(asked.headers).toMatchObject({
      'polity-decision': id,
      'x-request-id': 'r-1',
      'cache-control': 'no-store',
    })
    const outcome = `/v1/decisions/${id}/outcome`
    const told = post({ status: 'failed', code: 'E1', message: 'no funds' })
    expect((await served.shop(outcome, told)).status).toBe(404)
    expect((await served.owner(outcome, told)).json).toEqual({ decision: id, status: 'failed' })
    expect(await served.owner(outcome, told)).toMatchObject({
      status: 409,
      json: { code: 'outside.reported' },
    })
    expect(await served.finished(id)).toMatchObject({ data: { status: 'failed', message: 'E1: no funds' } })
    expect((await served.owner(`/v1/decisions/${id}`)).json).toMatchObject({
      decision: false,
      context: { id, effect: 'allow', outcome: 'failed' },
    })
    expect((await served.shop(`/v1/decisions/${id}`)).status).toBe(404)
  })

  it('answers a denial as the answer to the question', async () => {
    await using served = await opened()
    const { status, json } = await served.shop('/v1/decisions', post(EVALUATION))
    expect([status, json]).toMatchObject([
      200,
      { decision: false, context: { effect: 'denied', sentence: expect.any(String), reasons: [] } },
    ])
  })

  it('takes roles from nobody but itself, and X-Actor as a label', async () => {
    await using served = await opened()
    const { json } = await served.shop(
      '/v1/decisions',
      post(
        {
          ...EVALUATION,
          subject: { type: 'user', id: 'mallory', properties: { roles: ['owner'] }, roles: ['owner'] },
          action: { name: 'read', properties: { risk: 'low' } },
        },
        { 'x-actor': 'user:owner' },
      ),
    )
    const { entries } = await served.hub.log.read({ limit: 1000, type: 'action.decided@1' })
    const decided = entries.find(({ data }) => data.decision === idOf(json))
    expect(decided).toMatchObject({
      actor: 'user:mallory > service:shop',
      data: { context: { actorLabel: 'user:owner', subjectType: 'user' } },
    })
    expect(JSON.stringify(decided?.data.requests)).not.toContain('owner')
  })

  it('is asked again under one key without being done again', async () => {
    await using served = await opened()
    const ask = () => served.owner('/v1/decisions', post(EVALUATION, { 'idempotency-key': 'k' }))
    const [first, second] = await Promise.all([ask(), ask()])
    const id = idOf(first.json)
    expect([first.json, second.json]).toEqual(
      Array(2).fill({ decision: true, context: { id, effect: 'allow' } }),
    )
    await served.owner(`/v1/decisions/${id}/outcome`, post({ status: 'failed' }))
    await served.finished(id)
    expect((await ask()).json).toMatchObject({ decision: false, context: { id, isOver: true } })
  })

  it('is over once it is reported, also where its run cannot hear of that yet', async () => {
    await using served = await opened()
    const ask = () => served.owner('/v1/decisions', post(EVALUATION, { 'idempotency-key': 'k' }))
    const id = idOf((await ask()).json)
    const pausing = post({ input: { run: id, reason: 'somebody looks at it' } })
    expect((await served.owner('/v1/actions/runs.pause', pausing)).status).toBe(200)
    expect((await ask()).json).toMatchObject({ decision: true })
    expect(
      (await served.owner(`/v1/decisions/${id}/outcome`, post({ status: 'done', cost: 5 }))).status,
    ).toBe(200)
    expect((await ask()).json).toMatchObject({ decision: false, context: { id, isOver: true } })
    expect((await served.owner(`/v1/decisions/${id}`)).json).toMatchObject({ decision: false })
  })

  it('refuses what is no question', async () => {
    await using served = await opened()
    for (const body of [
      undefined,
      [EVALUATION],
      { ...EVALUATION, resource: undefined },
      { ...EVALUATION, subject: { type: 'hub', id: 'polity' } },
      { ...EVALUATION, subject: { type: 'user', id: 'a > user:owner' } },
      { ...EVALUATION, action: { name: 'x', properties: { risk: 'LOW' } } },
      { ...EVALUATION, context: { conduct: { harmless: true } } },
    ])
      expect(await served.owner('/v1/decisions', post(body))).toMatchObject({
        status: 400,
        json: { code: 'input.invalid' },
      })
  })
})

describe('the endpoints of AuthZEN', () => {
  it('decide one and many', async () => {
    await using served = await opened()
    const one = await served.owner('/access/v1/evaluation', post(EVALUATION))
    expect([one.status, one.json]).toMatchObject([200, { decision: true }])
    const reading = { action: { name: 'read', properties: { readOnly: true } } }
    const many = await served.shop(
      '/access/v1/evaluations',
      post({
        ...EVALUATION,
        evaluations: [reading, {}, { ...reading, resource: { type: 'account', id: '43' } }],
      }),
    )
    expect(many.json).toMatchObject({
      evaluations: [{ decision: true }, { decision: false }, { decision: true }],
    })
    const stopping = { evaluations_semantic: 'deny_on_first_deny' }
    const stopped = await served.shop(
      '/access/v1/evaluations',
      post({ ...EVALUATION, options: stopping, evaluations: [reading, {}, reading] }),
    )
    expect((stopped.json as { evaluations: unknown[] }).evaluations).toHaveLength(2)
  })

  it('answer for each of many, also beside one that is no question', async () => {
    await using served = await opened()
    const resource = (id: string) => ({ resource: { type: 'account', id } })
    const { status, json } = await served.owner(
      '/access/v1/evaluations',
      post({
        ...EVALUATION,
        evaluations: [
          resource('1'),
          { subject: { type: 'ghost', id: 'x' } },
          resource('control \u0007'),
          { context: { conduct: { harmless: true } } },
          resource('2'),
        ],
      }),
    )
    const invalid = { decision: false, context: { error: { status: 400, code: 'input.invalid' } } }
    const allowed = { decision: true, context: { id: expect.any(String) } }
    expect([status, json]).toMatchObject([
      200,
      { evaluations: [allowed, invalid, invalid, invalid, allowed] },
    ])
    const { entries } = await served.hub.log.read({ limit: 1000, type: 'action.decided@1' })
    const begun = entries.filter(({ data }) => data.action === 'outside.act@1')
    expect(begun).toHaveLength(2)
  })

  it('take a request for many without any as one for one', async () => {
    await using served = await opened()
    for (const body of [EVALUATION, { ...EVALUATION, evaluations: [] }]) {
      const { status, json } = await served.owner('/access/v1/evaluations', post(body))
      expect([status, json]).toMatchObject([200, { decision: true }])
    }
    const empty = await served.owner('/access/v1/evaluations', post({ evaluations: [] }))
    expect(empty).toMatchObject({ status: 400, json: { code: 'input.invalid' } })
  })

  it('are found where the specification says, by principals', async () => {
    await using served = await opened()
    const { json } = await served.shop('/.well-known/authzen-configuration')
    expect(json).toEqual({
      policy_decision_point: served.url,
      access_evaluation_endpoint: `${served.url}/access/v1/evaluation`,
      access_evaluations_endpoint: `${served.url}/access/v1/evaluations`,
    })
    expect((await served.anyone('/.well-known/authzen-configuration')).status).toBe(401)
  })
})
