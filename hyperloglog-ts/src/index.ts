export const lgKDefault = 14;
