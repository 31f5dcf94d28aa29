// How numbers are written, everywhere the same.

const integer = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const oneDigit = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

export const whole = (value: number): string => integer.format(value)
export const tenths = (value: number): string => oneDigit.format(value)

/** `1 finding`, `2 findings`, `no findings`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  value === 0 ? `no ${many}` : `${whole(value)} ${value === 1 ? one : many}`
