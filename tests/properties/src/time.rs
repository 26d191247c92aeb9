//! Parses times independently of the functions.

/// Milliseconds since 1970 of `YYYY-MM-DDTHH:MM:SSZ`, with an optional fraction of 1 to 9 digits.
pub fn millis(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (seconds, fraction) = match text.split_once('.') {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (text, "0"),
    };
    let is_fraction = (1..=9).contains(&fraction.len());
    let form: String = (seconds.chars())
        .map(|it| if it.is_ascii_digit() { '0' } else { it })
        .collect();
    if form != "0000-00-00T00:00:00"
        || !is_fraction
        || !fraction.bytes().all(|it| it.is_ascii_digit())
    {
        return None;
    }
    let number = |from: usize, to: usize| seconds[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970
        || !(1..=*months.get(index)?).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|it| if is_leap(it) { 366 } else { 365 })
        .sum();
    let days = years + months[..index].iter().sum::<u64>() + day - 1;
    let millis = format!("{fraction:0<3}")[..3].parse::<u64>().ok()?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis)
}
