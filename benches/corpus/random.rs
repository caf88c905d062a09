//! Numbers that are the same on every machine and in every version: splitmix64.

/// A stream of numbers, given by a seed and the stream's own number.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.next();
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, exclusive.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// From 0 to 1, exclusive.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Near enough to the normal distribution, and without the functions that differ between platforms.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Prefers the first ones, as callers and resources are: a few do most.
    pub fn favorite<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.unit();
        &from[(at * at * from.len() as f64) as usize]
    }

    /// `length` characters of `alphabet`.
    pub fn text(&mut self, into: &mut String, alphabet: &[u8], length: usize) {
        into.extend((0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])));
    }

    pub fn hex(&mut self, into: &mut String, length: usize) {
        self.text(into, b"0123456789abcdef", length);
    }

    /// A UUID of version 4.
    pub fn uuid(&mut self, into: &mut String) {
        self.hex(into, 8);
        into.push('-');
        self.hex(into, 4);
        into.push_str("-4");
        self.hex(into, 3);
        into.push('-');
        self.text(into, b"89ab", 1);
        self.hex(into, 3);
        into.push('-');
        self.hex(into, 12);
    }

    /// What AWS's unique ids are made of.
    pub fn base32(&mut self, into: &mut String, length: usize) {
        self.text(into, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length);
    }
}
