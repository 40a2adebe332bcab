export const prices = { oolong: 450, sencha: 380, cup: 1200 };
