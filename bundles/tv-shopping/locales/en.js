export default {
  name: "Village Market", place: "From the county's farms · pick up in the village",
  sections: { goods: "Today", list: "My list", help: "How to buy" },
  from: (who) => `From ${who}`, each: (unit) => `/ ${unit}`, left: (n, unit) => `${n} ${unit} left`, few: "Few left",
  quantity: "Quantity", add: "Put on the list", sum: "Sum", total: "Total", listed: (n) => `${n} on the list`,
  empty: "The list is empty", emptyLong: "Open something under Today with OK, choose how many, and put it on the list.",
  clear: "Clear the list", sure: "Really? Press OK again", keep: "Keep it",
  howTitle: "Choose here, pay when you pick it up",
  how: ["Choose under Today, say how many, put it on the list", "Wednesday and Saturday afternoon: bring the list to the pick-up point", "See it, weigh it, pay there; leave it if it is not right"],
  promise: "Nothing is paid with one key. No password and no bank card on the television. Whoever calls and asks for a transfer is a fraud.", pickup: "Pick-up: shop at the village gate · 023-5550-1230",
  change: "OK changes it", story: "Who grows it", up: "↑↓ more or fewer, OK to confirm",
};
