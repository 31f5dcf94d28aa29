// How far publishers are trusted: what the hub knows of whoever decides for himself, for routes that ask for some.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { foundIn, readKnown } from '../../kernel/trust/reading.ts'
import { FAMILY, type TrustOf } from './admission.ts'

/** Rules compare thousandths, routes say it from 0 to 1. */
const FULL_TRUST = 1000
/** People answer for what they do, services do what their people built, and the hub is what keeps trust. */
const IS_COMPARED = /^(?:agent|component):/

/**
 * Read as of now and not expected at the commit: rows of trust change with every act of the same publisher. An override
 * counts as it does for rules.
 */
export const trustIn =
  ({ reads, env }: Pick<ModuleHost, 'reads' | 'env'>): TrustOf =>
  async (label) =>
    IS_COMPARED.test(label) ? foundIn(await readKnown(reads, label), FAMILY, env.now()).trust / FULL_TRUST : 1
