//! What idle ports cost a busy pair. The measuring is the loop's.

use super::Description;

pub(super) const DESCRIPTION: Description = Description {
    name: "idle-ports",
    title: "Forwarding rate beside idle ports",
    unit: "frames/s",
    less_is_better: false,
    how: "Two switches stand side by side: one with the two ports of a pair, and one with those and \
          as many TAP ports more as --ports says (1,000), whose netdevs are up in a namespace \
          without IPv6 and send nothing. The pair's forwarding rate is measured as for the loop, on \
          the one and on the other in turn. The ratio is the rate beside idle ports over that \
          without them, the median of the rounds' ratios: 0.99 means that they cost 1 %. Netloom is \
          compared with itself; other switches are not measured.",
    bound: "Engines serve queues that have frames; of all others the kernel tells them when that \
            changes. What idle ports can cost is memory: larger tables to find a port in.",
};
