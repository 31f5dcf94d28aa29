import { describe, expect, it } from 'vitest'
import { deedOf, evaluationsOf } from './authzen.ts'

const SUBJECT = { type: 'agent', id: 'healer' }
const RESOURCE = { type: 'service', id: 'web' }
const asked = (name: string, properties: object = {}, context?: object) =>
  deedOf(
    {
      subject: SUBJECT,
      resource: RESOURCE,
      action: { name, properties },
      ...(context === undefined ? {} : { context }),
    },
    {},
  )

describe('a deed as the gate sees it', () => {
  it('is what the evaluation says, and the rest is for people', () => {
    expect(
      deedOf(
        {
          subject: { ...SUBJECT, properties: { roles: ['owner'] } },
          action: { name: 'scale', properties: { risk: 'medium', replicas: 3, outcomeWithinSeconds: 60 } },
          resource: RESOURCE,
          context: { conduct: { blastRadius: 3 }, ticket: 7 },
        },
        { 'x-actor': 'shift\u0007 B' },
      ),
    ).toEqual({
      isReadOnly: false,
      input: {
        operation: 'scale',
        resourceType: 'service',
        resourceId: 'web',
        subjectKind: 'agent',
        subjectId: 'healer',
        subjectType: 'agent',
        risk: 'medium',
        actorLabel: 'shift B',
        conduct: { blastRadius: 3 },
      },
      recorded: {
        outcomeWithinSeconds: 60,
        details: { subject: { roles: ['owner'] }, action: { replicas: 3 }, context: { ticket: 7 } },
      },
    })
  })

  it.each([
    ['check_avn_action', { action: 'restart_service' }, 'avn.restart_service', 'high', true],
    ['check_avn_action', { action: 'warm_cache' }, 'avn.warm_cache', 'medium', true],
    ['check_avn_action', {}, 'avn', 'medium', true],
    [
      'check_business_operation',
      { operation: 'process_payment' },
      'business.process_payment',
      'medium',
      true,
    ],
    ['check_system_change', { change_type: 'shutdown_system' }, 'system.shutdown_system', 'critical', true],
    ['code_deployment', {}, 'code', 'high', true],
    [
      'code_deployment',
      { deployment: 'deploy_to_production' },
      'code.deploy_to_production',
      'critical',
      true,
    ],
    ['delete_database', {}, 'delete_database', 'critical', undefined],
    ['send_email', { risk: 'high' }, 'send_email', 'high', undefined],
    ['send_email', { risk: 'low' }, 'send_email', 'medium', undefined],
    [
      'check_avn_action',
      { action: 'restart_service', risk: 'low', autonomous: false },
      'avn.restart_service',
      'high',
      true,
    ],
    ['something', { autonomous: true }, 'something', undefined, true],
    ['constructor', {}, 'constructor', undefined, undefined],
    ['__proto__', {}, '__proto__', undefined, undefined],
  ])('of the name %s with %j', (name, properties, operation, risk, autonomous) => {
    expect(asked(name, properties).input).toMatchObject({
      operation,
      ...(risk === undefined ? {} : { risk }),
      ...(autonomous === undefined ? {} : { autonomous }),
    })
    if (risk === undefined) expect(asked(name, properties).input).not.toHaveProperty('risk')
  })

  it('has the conduct of its name, and what the program adds', () => {
    expect(asked('process_payment', {}, { conduct: { cost: 700 } }).input.conduct).toEqual({
      changes: ['money'],
      isExternal: true,
      cost: 700,
    })
  })

  it.each([
    ['a subject of another kind', { subject: { type: 'hub', id: 'polity' } }],
    ['a subject type that every object has', { subject: { type: 'constructor', id: 'x' } }],
    ['a risk in capitals', { action: { name: 'x', properties: { risk: 'LOW' } } }],
    ['no name', { action: { name: '' } }],
  ])('is refused with %s', (_, part) => {
    const whole = { subject: SUBJECT, resource: RESOURCE, action: { name: 'x' } }
    expect(() => deedOf({ ...whole, ...part }, {})).toThrow('is not valid')
  })
})

describe('a request for many', () => {
  it('fills in what an evaluation leaves out, as a whole', () => {
    const { items, isSingle } = evaluationsOf({
      subject: SUBJECT,
      action: { name: 'read', properties: { readOnly: true } },
      evaluations: [{ resource: RESOURCE }, { action: { name: 'write' } }],
    })
    expect(isSingle).toBe(false)
    expect(items).toEqual([
      { subject: SUBJECT, action: { name: 'read', properties: { readOnly: true } }, resource: RESOURCE },
      { subject: SUBJECT, action: { name: 'write' } },
    ])
  })

  it('is bounded', () => {
    expect(() => evaluationsOf({ evaluations: Array(51).fill({}) })).toThrow('not valid')
    expect(() => evaluationsOf({ options: { evaluations_semantic: 'any' } })).toThrow('not valid')
  })
})
