// A module of tests with one counterpart, as a module that speaks to a service outside would have it.

import { defineModule, type Module, type ModuleHost } from '../../../src/kernel/catalog/module.ts'
import { type Counterpart, openCounterpart } from '../../../src/kernel/counterpart/counterpart.ts'
import { type CounterpartOptions, defineCounterpart } from '../../../src/kernel/counterpart/definition.ts'
import * as contract from '../counterpart.contract.ts'
import { Forwarded, Kept, Refused } from '../counterpart.contract.ts'

const NEVER_MS = 3_600_000

/** The module `lab`, and its host once the hub has opened it. */
export function labModule(): { readonly module: Module; host(): ModuleHost } {
  let opened: ModuleHost | undefined
  const module = defineModule(
    'lab',
    { url: new URL('../counterpart.contract.ts', import.meta.url).href, exports: contract },
    (host) => {
      opened = host
      return {}
    },
  )
  return {
    module,
    host() {
      if (opened === undefined) throw new Error('the module was not opened')
      return opened
    },
  }
}

/** Asked again soon, and probed only by whoever says so. */
export function labCounterpart(
  host: ModuleHost,
  url: string,
  more: Partial<CounterpartOptions> = {},
): Counterpart {
  const definition = defineCounterpart({
    name: 'service',
    url,
    priority: 'high',
    timeoutMs: 5000,
    retry: { attemptsMax: 2, baseMs: 1, capMs: 1 },
    probeIntervalMs: NEVER_MS,
    ...more,
  })
  return openCounterpart(host, definition, 'lab', {
    kept: ({ key, code }) => Kept({ key, code }),
    forwarded: (items) => Forwarded({ keys: items.map(({ key }) => key) }),
    refused: ({ key }, status) => Refused({ key, status }),
  })
}
