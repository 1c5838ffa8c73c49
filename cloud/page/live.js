// Plays a live view (HLS, fragmented MP4) through Media Source Extensions, close to its end.
//
//   playlist --fetch--> fragments --append--> SourceBuffer --> <video>
//
// No browser's own HLS player is relied on but Safari's on phones, which has nothing else: Chromium's gives up
// when a playlist has not grown. The element is told what it shows: event "shown", detail = segment id;
// and "refused" where more is asked for than the visitor may.
"use strict";

(() => {
  const BEHIND_S = 3.5; // further behind the end than this, it plays a little faster
  const LOST_S = 10; // and further than this, it jumps
  const START_S = 4; // of what is there is shown, at the start
  const EDGE_S = 2; // to so far before the end
  const KEEP_S = 20; // of what has been shown
  const AGAIN_MS = 1000; // after a failure
  const MOST_MS = 30000; // even if the answer says later
  const LOOK_MS = 250;
  const views = new WeakMap();

  const Source = window.ManagedMediaSource || window.MediaSource;

  function parse(text) {
    let number = 0;
    let init = "";
    let seconds = 0;
    const entries = [];
    for (const line of text.split("\n")) {
      if (line.startsWith("#EXT-X-MEDIA-SEQUENCE:")) number = Number(line.split(":")[1]);
      else if (line.startsWith("#EXT-X-MAP:")) init = /URI="([^"]+)"/.exec(line)[1];
      else if (line.startsWith("#EXTINF:")) seconds = parseFloat(line.slice(8));
      else if (line && !line.startsWith("#")) entries.push({ number: number++, init, seconds, uri: line });
    }
    return entries;
  }

  // Of many entries, the last: at the start and after a pause the past is not caught up with.
  function newest(entries, most_s) {
    let [count, all_s] = [0, 0];
    for (const entry of [...entries].reverse()) {
      all_s += entry.seconds;
      if (count > 0 && all_s > most_s) break;
      count++;
    }
    return entries.slice(entries.length - count);
  }

  function codecOf(init) {
    const bytes = new Uint8Array(init);
    for (let at = 0; at + 8 < bytes.length; at++) {
      if (String.fromCharCode(...bytes.subarray(at, at + 4)) === "avcC") {
        const profile = [...bytes.subarray(at + 5, at + 8)].map((each) => each.toString(16).padStart(2, "0"));
        return `video/mp4; codecs="avc1.${profile.join("")}"`;
      }
    }
    throw new Error("an init segment without H.264");
  }

  function pause(ms) {
    return new Promise((done) => setTimeout(done, ms));
  }

  class View {
    constructor(video, url) {
      this.video = video;
      this.url = url;
      this.stopper = new AbortController();
      this.shown = null;
      this.played = false;
      this.ontime = () => this.tell();
      video.addEventListener("timeupdate", this.ontime);
    }

    get stopped() {
      return this.stopper.signal.aborted;
    }

    get looked() {
      // Who has paused or looks elsewhere has nothing rendered.
      return !document.hidden && !(this.played && this.video.paused);
    }

    async run() {
      while (!this.stopped) {
        try {
          await this.open();
          while (!this.stopped && !this.video.error) {
            if (this.looked) await this.step();
            else await pause(LOOK_MS);
          }
        } catch (error) {
          if (!this.stopped) console.info(`live view begins anew: ${error.message}`);
        }
        if (!this.stopped) await pause(AGAIN_MS);
      }
    }

    async open() {
      this.next = null;
      this.init = "";
      this.buffer = null;
      this.entries = [];
      this.source = new Source();
      this.video.disableRemotePlayback = true; // ManagedMediaSource asks for it
      if (this.object) URL.revokeObjectURL(this.object);
      const opened = new Promise((done) => this.source.addEventListener("sourceopen", done, { once: true }));
      this.object = URL.createObjectURL(this.source);
      this.video.src = this.object;
      await opened;
    }

    async step() {
      const query = this.next === null ? "" : `?_HLS_msn=${this.next}`;
      const answer = await fetch(this.url + query, { signal: this.stopper.signal, cache: "no-store" });
      if (answer.status === 429) this.video.dispatchEvent(new CustomEvent("refused"));
      if (!answer.ok) {
        const told_ms = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
        await pause(Math.max(AGAIN_MS, Math.min(told_ms, MOST_MS)));
        return;
      }
      const entries = parse(await answer.text());
      const last = entries[entries.length - 1].number;
      if (this.next !== null && this.next > last + 1) throw new Error("the stream began anew");
      const fresh = newest(entries.filter((entry) => entry.number >= (this.next ?? 0)), START_S);
      if (!fresh.length) await pause(AGAIN_MS);
      for (const entry of fresh) {
        await this.append(entry);
        this.next = entry.number + 1;
        this.follow();
      }
    }

    async fetch(uri) {
      const answer = await fetch(new URL(uri, this.url), { signal: this.stopper.signal });
      if (!answer.ok) throw new Error(`${uri}: ${answer.status}`);
      return answer.arrayBuffer();
    }

    async append(entry) {
      if (entry.init !== this.init) {
        const init = await this.fetch(entry.init);
        const type = codecOf(init);
        if (this.buffer === null) this.buffer = this.source.addSourceBuffer(type);
        else this.buffer.changeType(type);
        await this.updated(() => this.buffer.appendBuffer(init));
        this.init = entry.init;
      }
      const data = await this.fetch(entry.uri);
      await this.updated(() => this.buffer.appendBuffer(data));
      const buffered = this.buffer.buffered;
      this.entries.push({ end: buffered.end(buffered.length - 1), segment: Number(entry.uri.split("/")[1]) });
      const old = this.video.currentTime - KEEP_S;
      if (old > buffered.start(0)) await this.updated(() => this.buffer.remove(0, old));
      this.entries = this.entries.filter((each) => each.end > old);
    }

    updated(change) {
      return new Promise((done, failed) => {
        this.buffer.addEventListener("updateend", done, { once: true });
        this.buffer.addEventListener("error", () => failed(new Error("refused by the browser")), { once: true });
        change();
      });
    }

    follow() {
      const { video } = this;
      const buffered = this.buffer.buffered;
      const range = buffered.length - 1;
      const [start, end] = [buffered.start(range), buffered.end(range)];
      const behind = end - video.currentTime;
      if (video.currentTime < start || behind > LOST_S) video.currentTime = Math.max(start, end - EDGE_S);
      video.playbackRate = behind > BEHIND_S && behind <= LOST_S ? 1.1 : 1;
      if (video.paused && !this.begun) video.play().catch(() => {});
      this.begun = true;
    }

    tell() {
      const entry = this.entries.find((each) => each.end > this.video.currentTime);
      if (entry && this.video.currentTime > 0 && entry.segment !== this.shown) {
        this.shown = entry.segment;
        this.played = true;
        this.video.dispatchEvent(new CustomEvent("shown", { detail: entry.segment }));
      }
    }

    stop() {
      this.stopper.abort();
      this.video.removeEventListener("timeupdate", this.ontime);
      this.video.playbackRate = 1;
      if (this.object && this.video.src === this.object) { // else it shows something else already
        this.video.removeAttribute("src");
        this.video.load();
      }
      if (this.object) URL.revokeObjectURL(this.object);
    }
  }

  window.mirageLive = {
    show(video, path) {
      this.leave(video);
      const url = new URL(path, location.href).href;
      if (!Source) {
        video.src = url;
        return;
      }
      const view = new View(video, url);
      views.set(video, view);
      view.entries = [];
      view.run();
    },

    leave(video) {
      views.get(video)?.stop();
      views.delete(video);
    },
  };
})();
