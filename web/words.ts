// Entries in words for the page. The words themselves are those of every door: src/doors/telling.

import { tellingIn } from '../src/doors/telling/telling.ts'
import { text } from './json.ts'

export const { tell, who } = tellingIn(text)
