/**
 * Who lives here, and who is watching.
 * One rule: nobody has to type a name with a remote: the usual ones are there to choose.
 *
 * @import { Screen } from "../stage.js"
 * @import { Member } from "../types.js"
 */

import { choiceOf } from "./menu.js";
import { changed, changeHousehold, household, people, refreshHousehold } from "../household.js";
import { call } from "../session.js";
import { close, open } from "../stage.js";
import { t } from "../words.js";

const USUAL = ["grandpa", "grandma", "dad", "mum", "son", "daughter", "child", "guest"];
const CHILDREN = new Set(["son", "daughter", "child"]);
const MOST = 6;

/** @param {string} id */
const address = (id) => `household/members/${encodeURIComponent(id)}`;

/** @returns {Screen} */
export function members() {
  refreshHousehold().catch(() => {});
  return choiceOf(() => {
    const { current } = household.now;
    const all = people();
    return {
      title: t("members"),
      text: t("members.what"),
      choices: [
        { name: t("members.all"), chosen: current === null, act: () => changeHousehold({ current: null }) },
        ...all.map((member) => ({ name: named(member), value: member.id === current ? "✓" : "›", act: () => open(sheet(member.id)) })),
        ...(all.length < MOST ? [{ name: t("members.add"), value: "＋", act: () => open(adding()) }] : []),
      ],
    };
  }, "members");
}

/** @param {Member} member */
const named = (member) => (member.child ? `${member.name} · ${t("members.child")}` : member.name);

/** @param {string} id @returns {Screen} */
function sheet(id) {
  const then = (/** @type {() => Promise<unknown>} */ change) => () => {
    close(screen);
    changed(change);
  };
  /** @type {Screen} */
  const screen = choiceOf(() => {
    const member = people().find((each) => each.id === id);
    if (!member) return { title: t("members"), choices: [{ name: t("cancel"), act: () => close(screen) }] };
    const child = !member.child;
    return {
      title: named(member),
      choices: [
        { name: t("members.watches"), chosen: household.now.current === id, act: then(() => call("PUT", "household", { current: id })) },
        { name: t(member.child ? "members.grown" : "members.is.child"), act: then(() => call("PUT", address(id), { name: member.name, child })) },
        { name: t("cancel"), act: () => close(screen) },
        { name: t("members.remove"), danger: true, act: () => open(removal(member, screen)) },
      ],
    };
  }, "member");
  return screen;
}

/** @param {Member} member @param {Screen} under */
function removal(member, under) {
  /** @type {Screen} */
  const screen = choiceOf(() => ({
    title: t("members.remove.ask", { name: member.name }),
    text: t("members.remove.what"),
    choices: [
      { name: t("cancel"), act: () => close(screen) },
      { name: t("members.remove"), danger: true, act: () => { close(under); changed(() => call("DELETE", address(member.id))); } },
    ],
  }), "removal");
  return screen;
}

/** @returns {Screen} */
function adding() {
  /** @type {Screen} */
  const screen = choiceOf(() => {
    const taken = new Set(people().map((member) => member.id));
    return {
      title: t("members.add"),
      choices: USUAL.filter((id) => !taken.has(id)).slice(0, MOST).map((id) => ({
        name: t(`members.${id}`),
        act: () => {
          close(screen);
          changed(() => call("PUT", address(id), { name: t(`members.${id}`), child: CHILDREN.has(id) }));
        },
      })),
    };
  }, "adding");
  return screen;
}
