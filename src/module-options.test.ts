// What modules are opened with says what the configuration says now, where a setting is live.

import { describe, expect, it } from 'vitest'
import { openHub } from './hub.ts'
import { type Configuration, openConfiguration } from './kernel/config/configuration.ts'
import { layersOf } from './kernel/config/layers.ts'
import { seededChance } from './kernel/simulator/chance.ts'
import { simulatedEnv } from './kernel/simulator/env.ts'
import { componentsOptions, webhooksOptions } from './module-options.ts'
import { services } from './modules/components/contract.ts'
import { componentsModule } from './modules/components/module.ts'
import { openRate } from './modules/webhooks/rate.ts'
import { SETTINGS } from './settings.ts'

const saying = (said: Readonly<Record<string, unknown>>) =>
  layersOf(
    SETTINGS,
    Object.entries(said).map(([key, value]) => ({
      key,
      value,
      origin: { kind: 'flag', name: 'test' },
      isTrusted: true,
    })),
  )
const opened = (said: Readonly<Record<string, unknown>> = {}): Configuration =>
  openConfiguration(SETTINGS, saying(said))

/** Live settings of modules, and how each is read from the options. */
const LIVE: Readonly<Record<string, (configuration: Configuration) => () => unknown>> = {
  'components.massLossMs': (all) => member(componentsOptions(all), 'massLossMs'),
  'components.gateway.connectMs': (all) => member(componentsOptions(all).gateway ?? {}, 'connectMs'),
  'components.gateway.headMs': (all) => member(componentsOptions(all).gateway ?? {}, 'headMs'),
  'components.gateway.idleMs': (all) => member(componentsOptions(all).gateway ?? {}, 'idleMs'),
  'components.gateway.bodySizeMaxBytes': (all) =>
    member(componentsOptions(all).gateway ?? {}, 'bodySizeMaxBytes'),
  'components.gateway.exchangesMax': (all) => member(componentsOptions(all).gateway ?? {}, 'exchangesMax'),
  'webhooks.disableAfterMs': (all) => member(webhooksOptions(all), 'disableAfterMs'),
  'webhooks.ratePerMinute': (all) => member(webhooksOptions(all), 'ratePerMinute'),
}
const member = (options: object, name: string) => () => (options as Readonly<Record<string, unknown>>)[name]

describe('a setting that changes while the hub runs', () => {
  it.each(Object.entries(LIVE))('%s is what it is now', (key, reading) => {
    const configuration = opened({ [key]: 7 })
    const now = reading(configuration)
    expect(now()).toBe(7)
    expect(configuration.swap(saying({ [key]: 11 }))).toEqual([])
    expect(now()).toBe(11)
    expect(SETTINGS.byKey.get(key)?.reload).toBe('live')
  })

  it('of the webhooks takes effect for sources that have sent already', () => {
    const configuration = opened({ 'webhooks.ratePerMinute': 100 })
    const rate = openRate(simulatedEnv(seededChance(1)), {
      get ratePerMinute() {
        return webhooksOptions(configuration).ratePerMinute ?? 0
      },
    })
    for (let sent = 0; sent < 10; sent++) rate.take('a')
    configuration.swap(saying({ 'webhooks.ratePerMinute': 2 }))
    for (let sent = 0; sent < 2; sent++) rate.take('a')
    expect(() => rate.take('a')).toThrow('may send 2 events per minute')
  })

  it('of the gateway is in the limits by which the next exchange is carried out, defaults included', async () => {
    const configuration = opened()
    const hub = await openHub({ modules: [componentsModule(componentsOptions(configuration))] })
    const limits = hub.face(services)?.limits
    expect(limits).toMatchObject({ connectMs: 5000, exchangesMax: 1024 })
    configuration.swap(saying({ 'components.gateway.exchangesMax': 3 }))
    expect(limits).toMatchObject({ connectMs: 5000, exchangesMax: 3 })
    configuration.swap(saying({}))
    expect(limits?.exchangesMax).toBe(1024)
    await hub.close()
  })
})
