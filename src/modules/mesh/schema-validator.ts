// The validator that is always there: events whose route demands a check must be of a declared type.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { bareType } from './events.ts'
import type { EventValidator } from './faces.ts'
import { violationsOf } from './type-schema.ts'
import { typeKey, types } from './views.ts'

export const schemaValidator =
  ({ reads }: Pick<ModuleHost, 'reads'>): EventValidator =>
  async ({ type, data }) => {
    const { bare, major } = bareType(type)
    const declared = (await reads.get(types, typeKey(bare, major)))?.value
    if (declared === undefined) return `${bare}@${major} is not declared, so that nothing can be checked`
    const [first] = violationsOf(declared.schema, data)
    return first && `${first.pointer || '/'} ${first.message}`
  }
