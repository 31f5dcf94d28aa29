// Documents of shared state for people: their values stay JSON, which is what they are.

import { answerLines, type Present } from './render.ts'

interface ShownDocument extends Readonly<Record<string, unknown>> {
  readonly value?: unknown
}

export const documentLines: Present = (output, { width }) => {
  const { items } = output as { readonly items?: readonly ShownDocument[] }
  if (items === undefined) return answerLines(shown(output as ShownDocument), width)
  return answerLines({ items: items.map(shown) }, width)
}

const shown = (document: ShownDocument): ShownDocument => ({ ...document, value: valueText(document.value) })

/** A value as JSON; text as it is. */
export function valueText(value: unknown): string | number {
  if (typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'object' && value !== null && '$erased' in value) return '(erased)'
  return JSON.stringify(value) ?? ''
}
