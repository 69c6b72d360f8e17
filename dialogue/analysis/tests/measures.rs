//! Numbers, lengths of time and measures. The values are those of Duckling, but where a row says otherwise.

mod common;

use common::check;
use tertulia_analysis::{Dimension, Language};

#[test]
fn english_numbers() {
    const ROWS: &[(&str, &str)] = &[
        ("twenty-three thousand", "twenty-three thousand = 23000"),
        ("twenty one", "twenty one = 21"),
        ("a dozen", "a dozen = 12"),
        ("two dozen eggs", "two dozen = 24"),
        ("a couple", "a couple = 2"),
        ("a few", "a few = 3"),
        ("3.5k", "3.5k = 3500"),
        ("5M", "5M = 5000000"),
        ("1.5 million", "1.5 million = 1500000"),
        ("1,234,567", "1,234,567 = 1234567"),
        ("1,234.5", "1,234.5 = 1234.5"),
        ("two hundred and five", "two hundred and five = 205"),
        ("one hundred twenty three", "one hundred twenty three = 123"),
        ("seven hundred thousand", "seven hundred thousand = 700000"),
        ("three million two hundred thousand and one", "three million two hundred thousand and one = 3200001"),
        ("a hundred", "a hundred = 100"),
        ("nineteen hundred", "nineteen hundred = 1900"),
        ("minus five", "minus five = -5"),
        ("-5", "-5 = -5"),
        ("negative 3.2", "negative 3.2 = -3.2"),
        ("zero point five", "zero point five = 0.5"),
        ("33.3", "33.3 = 33.3"),
        (".5", ".5 = 0.5"),
        ("05", "05 = 5"),
        // Years in words are not put together, as in Duckling.
        ("nineteen eighty", "nineteen = 19; eighty = 80"),
        ("I have 3 cards and 2 accounts", "3 = 3; 2 = 2"),
        ("room 101", "101 = 101"),
        ("3-5", "3 = 3; 5 = 5"),
        ("1, 2 and 3", "1 = 1; 2 = 2; 3 = 3"),
        // Duckling makes two billions of it.
        ("b2b", ""),
        ("abc123", ""),
        ("version 1.2.3", ""),
        ("2nd", ""),
        ("an apple", ""),
        ("one hundred and", "one hundred = 100"),
    ];
    check(Language::English, &[Dimension::Number], ROWS);
}

#[test]
fn chinese_numbers() {
    const ROWS: &[(&str, &str)] = &[
        ("三百二十一", "三百二十一 = 321"),
        ("两千", "两千 = 2000"),
        ("两千零五", "两千零五 = 2005"),
        ("一万二千", "一万二千 = 12000"),
        ("一万二", "一万二 = 12000"),
        ("一百二", "一百二 = 120"),
        ("1万", "1万 = 10000"),
        ("1.2万", "1.2万 = 12000"),
        ("1.5亿", "1.5亿 = 150000000"),
        ("3千", "3千 = 3000"),
        ("3万5千", "3万5千 = 35000"),
        ("十五", "十五 = 15"),
        ("二十", "二十 = 20"),
        ("十万", "十万 = 100000"),
        ("两亿三千万", "两亿三千万 = 230000000"),
        ("一千零一夜", "一千零一 = 1001"),
        ("三点五", "三点五 = 3.5"),
        ("负五", "负五 = -5"),
        ("壹佰", "壹佰 = 100"),
        ("一打", "一打 = 12"),
        ("二〇二六", "二〇二六 = 2026"),
        // A half, as in Duckling; `percentage` says 50.
        ("百分之五十", "百分之五十 = 0.5"),
        ("我要三个苹果和两瓶水", "三 = 3; 两 = 2"),
        ("1,234.5", "1,234.5 = 1234.5"),
        ("一起去", ""),
        ("等一下", ""),
        ("统一", ""),
        ("万里长城", ""),
        ("千万不要", ""),
        ("十分好吃", ""),
    ];
    check(Language::Chinese, &[Dimension::Number], ROWS);
}

#[test]
fn english_ordinals() {
    const ROWS: &[(&str, &str)] = &[
        ("first", "first = 1"),
        ("the 3rd one", "3rd = 3"),
        ("21st", "21st = 21"),
        ("22nd", "22nd = 22"),
        ("113th", "113th = 113"),
        ("twenty-first", "twenty-first = 21"),
        ("thirtieth", "thirtieth = 30"),
        ("the second card did not arrive", "second = 2"),
        ("give me a second", ""),
        ("21th", ""),
        ("3 rd", ""),
    ];
    check(Language::English, &[Dimension::Ordinal], ROWS);
}

#[test]
fn chinese_ordinals() {
    const ROWS: &[(&str, &str)] = &[
        ("第三", "第三 = 3"),
        ("第12", "第12 = 12"),
        ("第二十一个", "第二十一 = 21"),
        ("第一次", "第一 = 1"),
        ("三次", ""),
        ("首先", ""),
    ];
    check(Language::Chinese, &[Dimension::Ordinal], ROWS);
}

#[test]
fn percentages() {
    const ROWS: &[(&str, &str)] = &[
        ("50%", "50% = 50 %"),
        ("12.5 %", "12.5 % = 12.5 %"),
        ("fifty percent", "fifty percent = 50 %"),
        ("my rate is 3.5% for 30 years", "3.5% = 3.5 %"),
        ("5 per cent", "5 per cent = 5 %"),
        ("-2%", "-2% = -2 %"),
        ("five percentage points", ""),
        ("50", ""),
    ];
    check(Language::English, &[Dimension::Percentage], ROWS);
}

#[test]
fn chinese_percentages() {
    const ROWS: &[(&str, &str)] = &[
        ("百分之五十", "百分之五十 = 50 %"),
        ("百分之十二点五", "百分之十二点五 = 12.5 %"),
        ("50%", "50% = 50 %"),
        ("３％", "３％ = 3 %"),
        ("打八折", ""),
    ];
    check(Language::Chinese, &[Dimension::Percentage], ROWS);
}

#[test]
fn english_money() {
    const ROWS: &[(&str, &str)] = &[
        // The country is open: the unit is the sign.
        ("$42", "$42 = 42 $"),
        ("$ 42", "$ 42 = 42 $"),
        ("42 dollars", "42 dollars = 42 $"),
        ("a dollar", "a dollar = 1 $"),
        ("$3.50", "$3.50 = 3.5 $"),
        ("$1,250.00", "$1,250.00 = 1250 $"),
        ("$20k", "$20k = 20000 $"),
        ("$1.2m", "$1.2m = 1200000 $"),
        ("fifty cents", "fifty cents = 50 cent"),
        ("10¢", "10¢ = 10 cent"),
        ("20€", "20€ = 20 EUR"),
        ("€20", "€20 = 20 EUR"),
        ("EUR 20", "EUR 20 = 20 EUR"),
        ("twenty euros", "twenty euros = 20 EUR"),
        ("£10", "£10 = 10 £"),
        ("10 quid", "10 quid = 10 GBP"),
        // Duckling calls the unit unknown.
        ("ten bucks", "ten bucks = 10 $"),
        ("100 USD", "100 USD = 100 USD"),
        ("US$ 3.14", "US$ 3.14 = 3.14 USD"),
        ("¥100", "¥100 = 100 JPY"),
        ("100 rmb", "100 rmb = 100 CNY"),
        ("Rs. 20", "Rs. 20 = 20 INR"),
        ("-$5", "-$5 = -5 $"),
        ("five dollars and fifty cents", "five dollars and fifty cents = 5.5 $"),
        ("$20 and 43c", "$20 and 43c = 20.43 $"),
        ("$10-$20", "$10-$20 = 10 $..20 $"),
        ("$10-20", "$10-20 = 10 $..20 $"),
        ("between 10 and 20 dollars", "between 10 and 20 dollars = 10 $..20 $"),
        ("from 10 dollars to 20 dollars", "from 10 dollars to 20 dollars = 10 $..20 $"),
        ("under $50", "under $50 = ..50 $"),
        ("at least $1.42", "at least $1.42 = 1.42 $.."),
        ("I was charged 20 pounds twice", "20 pounds = 20 £"),
        ("I need five hundred and twenty dollars", "five hundred and twenty dollars = 520 $"),
        ("transfer $250.50 to my savings", "$250.50 = 250.5 $"),
        ("why is there a $1 charge", "$1 = 1 $"),
        ("2 $10 bills", "$10 = 10 $"),
        ("50", ""),
        ("exactly dollars", ""),
    ];
    check(Language::English, &[Dimension::AmountOfMoney], ROWS);
}

#[test]
fn chinese_money() {
    const ROWS: &[(&str, &str)] = &[
        // Duckling takes 块 and 元 for dollars.
        ("五十块", "五十块 = 50 CNY"),
        ("五十块钱", "五十块钱 = 50 CNY"),
        ("三元五角", "三元五角 = 3.5 CNY"),
        ("三块五", "三块五 = 3.5 CNY"),
        ("三块五毛", "三块五毛 = 3.5 CNY"),
        ("五毛", "五毛 = 0.5 CNY"),
        ("两毛五", "两毛五 = 0.25 CNY"),
        ("二十块零五毛", "二十块零五毛 = 20.5 CNY"),
        ("一百元", "一百元 = 100 CNY"),
        ("1万元", "1万元 = 10000 CNY"),
        ("￥99.9", "￥99.9 = 99.9 CNY"),
        ("￥１００", "￥１００ = 100 CNY"),
        ("¥100", "¥100 = 100 CNY"),
        ("人民币100", "人民币100 = 100 CNY"),
        ("100人民币", "100人民币 = 100 CNY"),
        ("100美元", "100美元 = 100 USD"),
        ("50欧元", "50欧元 = 50 EUR"),
        ("100港币", "100港币 = 100 HKD"),
        ("100-150元", "100-150元 = 100 CNY..150 CNY"),
        ("人均消费100-150元的餐馆", "100-150元 = 100 CNY..150 CNY"),
        ("50元以下", "50元以下 = ..50 CNY"),
        ("500元以上", "500元以上 = 500 CNY.."),
        ("至少五百块", "至少五百块 = 500 CNY.."),
        ("最多1000元", "最多1000元 = ..1000 CNY"),
        ("三个苹果", ""),
        ("元旦", ""),
        // Pieces and not money; without a dictionary of things nobody can tell.
        ("三块蛋糕五个人", "三块 = 3 CNY"),
    ];
    check(Language::Chinese, &[Dimension::AmountOfMoney], ROWS);
}

#[test]
fn english_lengths_of_time() {
    const ROWS: &[(&str, &str)] = &[
        ("2 weeks", "2 weeks = 2 week"),
        ("an hour", "an hour = 1 hour"),
        ("a few minutes", "a few minutes = 3 minute"),
        ("a couple of days", "a couple of days = 2 day"),
        ("45 sec", "45 sec = 45 second"),
        ("24 hours", "24 hours = 24 hour"),
        // In the unit in which it is whole.
        ("2.5 hours", "2.5 hours = 150 minute"),
        ("half an hour", "half an hour = 30 minute"),
        ("an hour and a half", "an hour and a half = 90 minute"),
        ("one and a half hours", "one and a half hours = 90 minute"),
        ("two and a half years", "two and a half years = 30 month"),
        ("2 hours and 30 minutes", "2 hours and 30 minutes = 150 minute"),
        ("1 hour 20 minutes", "1 hour 20 minutes = 80 minute"),
        ("1h 30m", "1h 30m = 90 minute"),
        ("2h30", "2h30 = 150 minute"),
        ("a quarter of an hour", "a quarter of an hour = 15 minute"),
        ("a fortnight", "a fortnight = 14 day"),
        ("1 year 2 months", "1 year 2 months = 14 month"),
        ("a 3-day trip", "3-day = 3 day"),
        ("my rate is 3.5% for 30 years", "30 years = 30 year"),
        ("give me a second", "a second = 1 second"),
        ("the second", ""),
        ("days", ""),
    ];
    check(Language::English, &[Dimension::Duration], ROWS);
}

#[test]
fn chinese_lengths_of_time() {
    const ROWS: &[(&str, &str)] = &[
        ("三秒", "三秒 = 3 second"),
        ("30分钟", "30分钟 = 30 minute"),
        ("一刻钟", "一刻钟 = 15 minute"),
        ("三小时", "三小时 = 3 hour"),
        ("半小时", "半小时 = 30 minute"),
        ("半个小时", "半个小时 = 30 minute"),
        ("两个半小时", "两个半小时 = 150 minute"),
        ("一个半小时", "一个半小时 = 90 minute"),
        ("两小时三十分", "两小时三十分 = 150 minute"),
        ("三天", "三天 = 3 day"),
        ("三天两夜", "三天 = 3 day"),
        ("两周", "两周 = 2 week"),
        ("两个星期", "两个星期 = 2 week"),
        ("五个月", "五个月 = 5 month"),
        ("半个月", "半个月 = 15 day"),
        ("半年", "半年 = 6 month"),
        ("一年半", "一年半 = 18 month"),
        ("三个季度", "三个季度 = 3 quarter"),
        ("第三天", ""),
        ("周三天气", ""),
        ("2026年", ""),
        ("三月", ""),
        ("三天气温", ""),
    ];
    check(Language::Chinese, &[Dimension::Duration], ROWS);
}

#[test]
fn english_measures() {
    const ROWS: &[(&str, &str)] = &[
        ("5 km", "5 km = 5 kilometre"),
        ("3.5km", "3.5km = 3.5 kilometre"),
        ("3 miles", "3 miles = 3 mile"),
        ("a mile", "a mile = 1 mile"),
        ("10 feet", "10 feet = 10 foot"),
        ("six inches", "six inches = 6 inch"),
        ("5 feet 10 inches", "5 feet 10 inches = 70 inch"),
        ("3 km 20 m", "3 km 20 m = 3020 metre"),
        ("from 3 to 5 km", "from 3 to 5 km = 3 kilometre..5 kilometre"),
        ("2 liters", "2 liters = 2 litre"),
        ("500ml", "500ml = 500 millilitre"),
        ("three gallons", "three gallons = 3 gallon"),
        ("3 lbs", "3 lbs = 3 pound"),
        ("75kg", "75kg = 75000 gram"),
        ("500 grams", "500 grams = 500 gram"),
        ("two pounds of meat", "two pounds of meat = 2 pound of meat"),
        ("5 cups of sugar", "5 cups of sugar = 5 cup of sugar"),
        ("37 degrees", "37 degrees = 37 degree"),
        ("37°C", "37°C = 37 celsius"),
        ("98.6 F", "98.6 F = 98.6 fahrenheit"),
        ("80 degrees fahrenheit", "80 degrees fahrenheit = 80 fahrenheit"),
        ("-10 celsius", "-10 celsius = -10 celsius"),
        ("5 c", ""),
        ("a m", ""),
        ("10 people", ""),
    ];
    check(
        Language::English,
        &[Dimension::Distance, Dimension::Volume, Dimension::Quantity, Dimension::Temperature],
        ROWS,
    );
}

#[test]
fn chinese_measures() {
    const ROWS: &[(&str, &str)] = &[
        ("三公里", "三公里 = 3 kilometre"),
        ("10千米", "10千米 = 10 kilometre"),
        ("五米", "五米 = 5 metre"),
        ("两厘米", "两厘米 = 2 centimetre"),
        ("身高1米75", "1米75 = 1.75 metre"),
        ("三到五公里", "三到五公里 = 3 kilometre..5 kilometre"),
        ("两升", "两升 = 2 litre"),
        ("500毫升", "500毫升 = 500 millilitre"),
        ("3斤", "3斤 = 1500 gram"),
        ("五公斤", "五公斤 = 5000 gram"),
        ("500克", "500克 = 500 gram"),
        ("2杯咖啡", "2杯 = 2 cup"),
        ("二两酒", "二两 = 100 gram"),
        ("一两个人", ""),
        ("37度", "37度 = 37 degree"),
        ("零下五度", "零下五度 = -5 degree"),
        ("37.5摄氏度", "37.5摄氏度 = 37.5 celsius"),
        ("温度是二十三度", "二十三度 = 23 degree"),
        ("98华氏度", "98华氏度 = 98 fahrenheit"),
        ("三个人", ""),
    ];
    check(
        Language::Chinese,
        &[Dimension::Distance, Dimension::Volume, Dimension::Quantity, Dimension::Temperature],
        ROWS,
    );
}
