mod canvas; mod noise; mod sky; mod terrain; mod plants; mod space; mod places; mod shapes;
use canvas::Canvas; use noise::Dice; use terrain::*;
pub(crate) fn try_one() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let seed: u64 = a[2].parse()?;
    let w: u32 = a[4].parse()?;
    let mut d=Dice::new(seed);
    let mut c=Canvas::new(w,w*3/4,if a[1].len()==1 {2} else {1});
    match a[1].as_str() {
        "hero" => Land::lake(seed).paint(&mut c),
        "alps"=>Land::random(Ground::Alps,&mut d).paint(&mut c),
        "canyon"=>Land::random(Ground::Canyon,&mut d).paint(&mut c),
        "desert"=>Land::random(Ground::Desert,&mut d).paint(&mut c),
        "n"=>space::night(&mut c,&mut d),
        "p"=>space::planet(&mut c,&mut d),
        "s"=>places::sea(&mut c,&mut d),
        "h"=>places::hills(&mut c,&mut d),
        "c"=>places::city(&mut c,&mut d),
        "f"=>places::fields(&mut c,&mut d),
        "t"=>plants::meadow(&mut c,&mut d),
        "b"=>plants::flower(&mut c,&mut d),
        "m"=>shapes::marble(&mut c,&mut d),
        "j"=>shapes::julia(&mut c,&mut d),
        "o"=>shapes::spheres(&mut c,&mut d),
        _=>panic!(),
    }
    c.develop(1.0,0.25,0.01).save(&a[3])?;
    Ok(())
}
