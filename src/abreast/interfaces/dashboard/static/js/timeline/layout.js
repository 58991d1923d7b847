// Where lanes are from top to bottom.

const SIZES = [26, 22, 18, 12, 8, 5]; // of a row, in pixels
const SECTION = 24;
const QUEUE = 5; // rows at most for what waits in one lane
const LEAST = 26; // a lane has room for its name

/** Places of lanes and headings: {top, height, lane | section}, and how tall rows are. */
export class Layout {
  constructor() {
    this.row = 22;
    this.cap = 3; // above the rows
    this.foot = 12; // below them: points in time
    this.places = [];
    this.total = 0;
  }

  /** Make places for the lanes of a model. While somebody looks (`again` is false) rows do not
   * change their height and lanes do not shrink. */
  update(model, height, narrow, again) {
    for (const lane of model.lanes.values()) {
      lane.tall = Math.max(1, again ? 0 : lane.tall, lane.rows.length);
      lane.long = Math.max(again ? 0 : lane.long, Math.min(QUEUE, lane.queue.length));
    }
    if (again) {
      this.cap = narrow ? 19 : 3;
      const least = 1.5 * this.sum(model, SIZES.at(-1)); // many lanes do not make their rows low
      this.row = SIZES.find((size) =>
        this.sum(model, size) <= Math.max(least, height * (size > 22 ? 1 : size > 12 ? 2 : 4)));
      this.foot = foot(this.row);
    }
    this.total = 0;
    this.places = model.order.map((item, number) => {
      const height = item.lane ? this.size(item.lane, this.row) : SECTION;
      this.total += height;
      return { ...item, number, top: this.total - height, height };
    });
  }

  sum(model, row) {
    return model.order.reduce((sum, { lane }) => sum + (lane ? this.size(lane, row) : SECTION), 0);
  }

  size(lane, row) {
    return Math.max(LEAST, this.cap + (lane.tall + lane.long) * row + foot(row));
  }
}

const foot = (row) => (row >= 16 ? 13 : 9);
