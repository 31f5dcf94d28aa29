// One Cedar instance of one's own: it survives what crashes Cedar, and knows which policy sets it holds.

import { createRequire } from 'node:module'
import type * as CedarModule from '@cedar-policy/cedar-wasm/nodejs'
import { asPolityError, PolityError } from '../errors.ts'

type Cedar = typeof CedarModule

/**
 * Cedar keeps preparsed sets in a map inside the WebAssembly instance that only grows, under names
 * that all users of the instance share. An Engine therefore never shares its instance.
 *
 * A deeply nested policy overflows the stack of the instance, and whatever throws through it leaves
 * its stack pointer astray: such an instance is given up and the next call starts a new one (some
 * milliseconds). `generation` counts the instances, so that holders of preparsed sets notice.
 */
export class Engine {
  #cedar: Cedar | undefined
  #names = new Set<string>()
  #generation = 0

  get generation(): number {
    return this.#generation
  }

  /** How many names of policy sets the instance holds; bounded by whoever names them. */
  get namesHeld(): number {
    return this.#names.size
  }

  get version(): string {
    return this.run((cedar) => cedar.getCedarVersion())
  }

  /** Calls Cedar. Throws PolityError `gate.failed` when the instance broke. */
  run<T>(use: (cedar: Cedar) => T): T {
    this.#cedar ??= newCedar()
    try {
      return use(this.#cedar)
    } catch (thrown) {
      this.#cedar = undefined
      this.#names.clear()
      this.#generation += 1
      throw new PolityError(
        'gate.failed',
        `the policy engine broke: ${asPolityError(thrown).message}`,
        {},
        thrown,
      )
    }
  }

  /** Parses a policy set (id -> text) and keeps it under a name, replacing what was there. */
  preparse(name: string, policies: Readonly<Record<string, string>>): void {
    const answer = this.run((cedar) => cedar.preparsePolicySet(name, { staticPolicies: policies }))
    if (answer.type === 'failure') {
      const message = answer.errors.map((error) => error.message).join('; ')
      throw new PolityError('gate.failed', `a loaded policy set does not parse: ${message}`)
    }
    this.#names.add(name)
  }
}

let parser: Engine | undefined

/** The engine on which bundles are tried, so that a bad one never touches an engine that decides. */
export function parserEngine(): Engine {
  parser ??= new Engine()
  return parser
}

// The package holds its instance in module scope; a second instance needs a second load of the module.
// The fresh `require` keeps the old instance collectable: a parent module remembers its children.
function newCedar(): Cedar {
  const require = createRequire(import.meta.url)
  const path = require.resolve('@cedar-policy/cedar-wasm/nodejs')
  delete require.cache[path]
  const cedar: Cedar = require(path)
  delete require.cache[path]
  return cedar
}
