//! Calling codes: which numbers a country has. The countries have the numbering of the family of
//! services that this protocol comes from: 22 is India.

/// The calling code of each country code.
const CALLING_CODES: &[(u16, &str)] = &[
    (0, "7"),
    (1, "380"),
    (2, "7"),
    (3, "86"),
    (4, "63"),
    (5, "95"),
    (6, "62"),
    (7, "60"),
    (8, "254"),
    (9, "255"),
    (10, "84"),
    (11, "996"),
    (12, "1"),
    (13, "972"),
    (14, "852"),
    (15, "48"),
    (16, "44"),
    (17, "261"),
    (18, "243"),
    (19, "234"),
    (20, "853"),
    (21, "20"),
    (22, "91"),
    (23, "353"),
    (24, "855"),
    (25, "856"),
    (26, "509"),
    (27, "225"),
    (28, "220"),
    (29, "381"),
    (30, "967"),
    (31, "27"),
    (32, "40"),
    (33, "57"),
    (34, "372"),
    (35, "994"),
    (36, "1"),
    (37, "212"),
    (38, "233"),
    (39, "54"),
    (40, "998"),
    (41, "237"),
    (42, "235"),
    (43, "49"),
    (44, "370"),
    (45, "385"),
    (46, "46"),
    (47, "964"),
    (48, "31"),
    (49, "371"),
    (50, "43"),
    (51, "375"),
    (52, "66"),
    (53, "966"),
    (54, "52"),
    (55, "886"),
    (56, "34"),
    (58, "213"),
    (59, "386"),
    (60, "880"),
    (61, "221"),
    (62, "90"),
    (63, "420"),
    (64, "94"),
    (65, "51"),
    (66, "92"),
    (67, "64"),
    (68, "224"),
    (69, "223"),
    (70, "58"),
    (71, "251"),
    (72, "976"),
    (73, "55"),
    (74, "93"),
    (75, "256"),
    (76, "244"),
    (77, "357"),
    (78, "33"),
    (79, "675"),
    (80, "258"),
    (81, "977"),
    (82, "32"),
    (83, "359"),
    (84, "36"),
    (85, "373"),
    (86, "39"),
    (87, "595"),
    (88, "504"),
    (89, "216"),
    (90, "505"),
    (91, "670"),
    (187, "1"),
];

/// Country codes that programs confuse with a calling code, because the vendor's page uses them so:
/// the calling code, its country, and that country's own code.
const CONFUSED: &[(&str, &str, &str)] = &[("91", "India", "22")];

/// Returns the calling code of a country code, if it is known.
pub(crate) fn calling_code(country: &str) -> Option<&'static str> {
    let country: u16 = country.parse().ok()?;
    CALLING_CODES.iter().find(|(code, _)| *code == country).map(|(_, calling)| *calling)
}

/// Returns a warning if the digits of a bought number do not begin with the calling code of the
/// country that was requested, or with the calling code that the caller probably meant.
pub(crate) fn calling_code_warning(country: &str, digits: &str) -> Option<String> {
    if digits.is_empty() {
        return None;
    }
    let confused = CONFUSED.iter().find(|(calling, ..)| *calling == country);
    if let Some((calling, name, code)) = confused {
        return (!digits.starts_with(calling)).then(|| {
            format!(
                "the country {country} is not {name}, whose code is {code}: the number does not \
                 begin with {calling}; find_country returns the code of a country"
            )
        });
    }
    let calling = calling_code(country)?;
    (!digits.starts_with(calling)).then(|| {
        format!(
            "the number does not begin with {calling}, the calling code of the country {country}; \
             find_country returns the code of a country"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_another_country_carries_a_warning() {
        for (country, digits, warns) in [
            ("22", "919812345678", false),
            ("22", "67077212345", true),
            ("91", "67077212345", true),
            ("91", "919812345678", false),
            ("12", "12025550123", false),
            ("9999", "1", false),
            ("any", "1", false),
            ("22", "", false),
        ] {
            assert_eq!(
                calling_code_warning(country, digits).is_some(),
                warns,
                "{country} {digits}"
            );
        }
    }
}
