// What is known of one function.

export interface FunctionComplexity {
  readonly name: string
  readonly line: number
  readonly score: number
}
